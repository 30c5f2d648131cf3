package api

import (
	"encoding/json"
	"fmt"

	"cosmicman/job"
)

// meta is kept with a job, as its Spec.Meta: what an answer needs beside the images,
// whenever and by whichever route it is asked for.
type meta struct {
	Route          routes    `json:"route"`
	ResponseFormat string    `json:"response_format,omitempty"` // "": url and b64_json
	Quality        string    `json:"quality"`
	Revised        string    `json:"revised_prompt,omitempty"` // where the prompt was composed
	Warnings       []warning `json:"warnings,omitempty"`
	Base           string    `json:"base"` // of URLs, where the server does not know its own
	Uploads        []string  `json:"uploads,omitempty"`
}

// warning is something that a client should know of an image that was drawn all the
// same.
type warning struct {
	Code    string `json:"code"`
	Param   string `json:"param"`
	Message string `json:"message"`
}

func (r *request) meta(base string) meta {
	m := meta{Route: r.Route, Quality: qualities[*r.Quality].answer, Base: base}
	if r.ResponseFormat != nil {
		m.ResponseFormat = *r.ResponseFormat
	}
	if r.composed {
		m.Revised = *r.Prompt
	}
	m.Warnings = r.notes
	return m
}

// metaOf reads what was kept. A job of another front end may have none.
func metaOf(s *job.Spec) (meta, error) {
	m := meta{Route: generations, Quality: qualities[auto].answer}
	if len(s.Meta) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(s.Meta, &m); err != nil {
		return m, fmt.Errorf("a job's answer cannot be told: %w", err)
	}
	return m, nil
}
