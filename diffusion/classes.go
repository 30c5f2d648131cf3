package diffusion

import (
	"fmt"
	"maps"
	"slices"
)

// loaded returns the config's values as they are after a pipeline has loaded
// them: the scheduler class that the file names checks and sometimes replaces
// them. What a class adds by its own defaults it marks as such, and from_config
// of another class leaves that out again.
func (c Config) loaded(pipeline Pipeline) (map[string]any, error) {
	values := maps.Clone(c.values)
	if values == nil {
		values = map[string]any{}
	}
	own := &params{class: c.class, values: values}
	read(own, 0)
	if own.err != nil {
		return nil, own.err
	}
	if err := replaceSolver(c.class, values); err != nil {
		return nil, err
	}
	if pipeline == StableDiffusion {
		if v, ok := values["steps_offset"]; ok && v != 1 {
			values["steps_offset"] = 1
		}
		if values["clip_sample"] == true {
			values["clip_sample"] = false
		}
	}
	return values, nil
}

// solverClass is what a multistep solver's constructor does to settings that
// are meant for another one: those it knows stay, some are replaced, others fail.
type solverClass struct {
	key         string
	known       []any
	replaced    []any
	replacement string
}

var (
	dpmTypes   = solverClass{"solver_type", []any{"midpoint", "heun"}, []any{"logrho", "bh1", "bh2"}, "midpoint"}
	singleStep = solverClass{"algorithm_type", []any{"dpmsolver", "dpmsolver++", "sde-dpmsolver++"}, []any{"deis"}, "dpmsolver++"}
	multistep  = solverClass{"algorithm_type", append(singleStep.known, "sde-dpmsolver"), []any{"deis"}, "dpmsolver++"}
	edm        = solverClass{"algorithm_type", []any{"dpmsolver++", "sde-dpmsolver++"}, []any{"deis"}, "dpmsolver++"}

	solverClasses = map[string][]solverClass{
		"DPMSolverMultistepScheduler":        {multistep, dpmTypes},
		"DPMSolverMultistepInverseScheduler": {multistep, dpmTypes},
		"DPMSolverSinglestepScheduler":       {singleStep, dpmTypes},
		"EDMDPMSolverMultistepScheduler":     {edm, dpmTypes},
		"CosineDPMSolverMultistepScheduler":  {dpmTypes},
		"DEISMultistepScheduler": {
			{"algorithm_type", []any{"deis"}, []any{"dpmsolver", "dpmsolver++"}, "deis"},
			{"solver_type", []any{"logrho"}, []any{"midpoint", "heun", "bh1", "bh2"}, "logrho"},
		},
		"UniPCMultistepScheduler": {{"solver_type", []any{"bh1", "bh2"}, []any{"midpoint", "heun", "logrho"}, "bh2"}},
	}
)

func replaceSolver(class string, values map[string]any) error {
	for _, s := range solverClasses[class] {
		switch v, ok := values[s.key]; {
		case !ok || slices.Contains(s.known, v):
		case slices.Contains(s.replaced, v):
			values[s.key] = s.replacement
		default:
			return fmt.Errorf("scheduler config: %s %q: %s, which the config names, does not know it", s.key, v, class)
		}
	}
	return nil
}
