package diffusion

import "maps"

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
	replaceSolver(c.class, values)
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

// replaceSolver does what the constructors of multistep solvers do to settings
// that are meant for one another's.
func replaceSolver(class string, values map[string]any) {
	replace := func(key string, with string, instead ...any) {
		for _, v := range instead {
			if values[key] == v {
				values[key] = with
				return
			}
		}
	}
	switch class {
	case "DPMSolverMultistepScheduler", "DPMSolverMultistepInverseScheduler", "DPMSolverSinglestepScheduler",
		"EDMDPMSolverMultistepScheduler", "CosineDPMSolverMultistepScheduler":
		replace("solver_type", "midpoint", "logrho", "bh1", "bh2")
		if class != "CosineDPMSolverMultistepScheduler" {
			replace("algorithm_type", "dpmsolver++", "deis")
		}
	case "DEISMultistepScheduler":
		replace("solver_type", "logrho", "midpoint", "heun", "bh1", "bh2")
		replace("algorithm_type", "deis", "dpmsolver", "dpmsolver++")
	case "UniPCMultistepScheduler":
		replace("solver_type", "bh2", "midpoint", "heun", "logrho")
	}
}
