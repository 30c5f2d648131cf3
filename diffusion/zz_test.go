package diffusion
import ("testing";"fmt";"math")
func TestZZ(t *testing.T){
 p:=&params{values: map[string]any{"beta_schedule":"scaled_linear","beta_start":0.00085,"beta_end":0.012,"rescale_betas_zero_snr":true,"timestep_spacing":"trailing"}}
 for _,z:=range []bool{false,true}{
 e:=&euler{}; var b []float32
 e.schedule,b=readSchedule(p,0.0001,0.02); e.setBetas(b,z); if z{e.avoidZero()}
 h:=uint64(0); for _,a:=range e.alphas {h=h*1000003+uint64(math.Float32bits(a))}
 g:=uint64(0); for _,a:=range e.sigmas() {g=g*1000003+uint64(math.Float32bits(a))}
 k:=uint64(0); for _,a:=range b {k=k*1000003+uint64(math.Float32bits(a))}
 s:=e.sigmas()
 fmt.Println(z,k,h,g,e.alphas[998],s[998],s[499])}
}
