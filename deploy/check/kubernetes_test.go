package check

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

func TestKubernetes(t *testing.T) {
	files, err := filepath.Glob("../kubernetes/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%q, %v", files, err)
	}
	found := map[string]int{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, document := range bytes.Split(text, []byte("\n---\n")) {
			where := fmt.Sprintf("%s, document %d", path, i)
			var head struct{ APIVersion, Kind string }
			if err := yaml.Unmarshal(document, &head); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			found[head.Kind]++
			var err error
			switch head.APIVersion + " " + head.Kind {
			case "apps/v1 Deployment":
				var d appsv1.Deployment
				err = yaml.UnmarshalStrict(document, &d)
				pod(t, where, d.Spec.Template, d.Spec.Selector.MatchLabels)
			case "apps/v1 StatefulSet":
				var s appsv1.StatefulSet
				err = yaml.UnmarshalStrict(document, &s)
				pod(t, where, s.Spec.Template, s.Spec.Selector.MatchLabels)
			case "v1 Service":
				err = yaml.UnmarshalStrict(document, &corev1.Service{})
			case "v1 PersistentVolumeClaim":
				err = yaml.UnmarshalStrict(document, &corev1.PersistentVolumeClaim{})
			case "policy/v1 PodDisruptionBudget":
				err = yaml.UnmarshalStrict(document, &policyv1.PodDisruptionBudget{})
			case "autoscaling/v2 HorizontalPodAutoscaler":
				err = yaml.UnmarshalStrict(document, &autoscalingv2.HorizontalPodAutoscaler{})
			default:
				t.Errorf("%s: %+v is not known here", where, head)
			}
			if err != nil {
				t.Errorf("%s: %v", where, err)
			}
		}
	}
	if found["Deployment"] != 2 || found["StatefulSet"] != 1 || found["HorizontalPodAutoscaler"] != 1 || found["Service"] != 2 {
		t.Errorf("%v", found)
	}
}

// pod checks what a pod may do, its mounts and the program's command lines.
func pod(t *testing.T, where string, p corev1.PodTemplateSpec, selector map[string]string) {
	t.Helper()
	for k, v := range selector {
		if p.Labels[k] != v {
			t.Errorf("%s: the selector's %s is not the pod's", where, k)
		}
	}
	if s := p.Spec.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot {
		t.Errorf("%s: it may run as root", where)
	}
	volumes := map[string]bool{"data": len(p.Spec.Volumes) == 0} // of a StatefulSet's claims
	for _, v := range p.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range p.Spec.Containers {
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%s: %s has no volume %s", where, c.Name, m.Name)
			}
		}
		if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation {
			t.Errorf("%s: %s may write to its image or gain rights", where, c.Name)
		}
		if c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s: %s has no bound of memory", where, c.Name)
		}
		if c.Name == "server" || c.Name == "worker" {
			commandLine(t, where, c.Args)
		}
	}
}
