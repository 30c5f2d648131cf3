package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cosmicman/job"
)

const lorasPath = "/v1/loras"

// LoRA is a file that requests may name in their field lora.
type LoRA struct {
	Name     string
	Modified time.Time
	Bytes    int64
	Rank     int      // the highest of a module; 0 where it is not known
	Parts    []string // the networks that it changes
	Models   []string // that it fits
	Problem  string   // why it fits none, "" if it does
}

type loraObject struct {
	ID      string   `json:"id" validate:"required"`
	Object  string   `json:"object" validate:"required"`  // lora
	Created int64    `json:"created" validate:"required"` // seconds; when its file was written
	Bytes   int64    `json:"bytes" validate:"required"`
	Rank    *int     `json:"rank" validate:"required" extensions:"x-nullable"`    // the highest of a module
	Parts   []string `json:"parts" validate:"required"`                           // the networks that it changes: unet, text_encoder, text_encoder_2
	Models  []string `json:"models" validate:"required"`                          // that it fits
	Problem *string  `json:"problem" validate:"required" extensions:"x-nullable"` // why it fits none
}

type loraList struct {
	Object string       `json:"object" validate:"required"` // list
	Data   []loraObject `json:"data" validate:"required"`
}

// listLoRAs tells what may stand in the field lora.
//
//	@Summary	The LoRAs
//	@Description	That requests may name in their field lora. Files are seen as they come and go, a second after they were last written to.
//	@Tags	models
//	@Produce json
//	@Success 200 {object} loraList "the LoRAs, by name"
//	@Failure 401,403,429,500,503 {object} errorAnswer "they cannot be listed"
//	@Router	/v1/loras [get]
func (s *server) listLoRAs(c echo.Context) error {
	out := loraList{Object: "list", Data: []loraObject{}}
	if s.LoRAs == nil {
		return c.JSON(http.StatusOK, out)
	}
	all, err := s.LoRAs(c.Request().Context())
	if err != nil {
		return err
	}
	for _, l := range all {
		o := loraObject{ID: l.Name, Object: "lora", Created: l.Modified.Unix(), Bytes: l.Bytes, Parts: append([]string{}, l.Parts...),
			Models: append([]string{}, l.Models...), Problem: orNull(l.Problem)}
		if l.Rank > 0 {
			o.Rank = &l.Rank
		}
		out.Data = append(out.Data, o)
	}
	return c.JSON(http.StatusOK, out)
}

// loras reads a list of LoRAs: JSON, in forms too.
func (f *field) loras(dst *[]job.LoRA, v value) error {
	var entries []json.RawMessage
	if len(v.raw) == 0 || v.raw[0] != '[' || json.Unmarshal(v.raw, &entries) != nil {
		return invalid(f.name, `%s must be a list of objects such as {"name": "portrait", "weight": 0.8}`, f.name)
	}
	if n := len(entries); n > job.MaxLoRAs {
		return invalid(f.name, "%s has %d entries, at most %d are accepted", f.name, n, job.MaxLoRAs)
	}
	for i, raw := range entries {
		at := fmt.Sprintf("%s[%d]", f.name, i)
		if raw[0] != '{' {
			return invalid(at, `%s must be an object such as {"name": "portrait", "weight": 0.8}`, at)
		}
		members, err := object(raw)
		if err != nil {
			return err
		}
		l := job.LoRA{Weight: 1}
		for _, m := range members {
			inner := at + "." + shortened(m.name)
			switch {
			case m.name == "name":
				l.Name, err = (&field{name: inner}).text(m.value)
			case m.name == "weight" && string(m.raw) == "null":
			case m.name == "weight":
				l.Weight, err = loraWeight(inner, m.value)
			default:
				err = invalid(inner, "unknown field %.60q of %s, expected name and weight", m.name, at)
			}
			if err != nil {
				return err
			}
		}
		if l.Name == "" {
			return invalid(at+".name", "%s.name is required: see GET %s", at, lorasPath)
		}
		*dst = append(*dst, l)
	}
	return nil
}

func loraWeight(name string, v value) (float64, error) {
	return (&field{name: name, min: -job.MaxLoRAWeight, max: job.MaxLoRAWeight}).number(v)
}

// formLoRAs gathers the parts lora[][name] and lora[][weight] of a form, or lora[0][name]
// and so on, into the list that they are of. Without numbers an entry begins with its name.
type formLoRAs struct {
	entries []map[string]json.RawMessage
	counted bool // they have numbers
}

func (l *formLoRAs) add(m member) error {
	wrong := func() error {
		return invalid(shortened(m.name), "the field %.60q cannot be read, expected lora[][name] and lora[][weight], lora[0][name] and so on, or lora with a list as JSON", m.name)
	}
	inside, closed := strings.CutSuffix(strings.TrimPrefix(m.name, "lora["), "]")
	place, key, both := strings.Cut(inside, "][")
	if !closed || !both || key != "name" && key != "weight" {
		return wrong()
	}
	at := len(l.entries) - 1
	if place == "" {
		if key == "name" {
			at++
		}
	} else {
		n, err := strconv.Atoi(place)
		if err != nil || n < 0 || n > len(l.entries) {
			return wrong()
		}
		at = n
	}
	if at < 0 || len(l.entries) > 0 && l.counted != (place != "") {
		return wrong()
	}
	if at == len(l.entries) {
		l.entries, l.counted = append(l.entries, map[string]json.RawMessage{}), place != ""
	}
	if l.entries[at][key] != nil {
		return invalid(shortened(m.name), "the field %.60q is given twice", m.name)
	}
	raw := json.RawMessage(m.raw)
	if key == "name" {
		text, err := plainText(shortened(m.name), m.value)
		if err != nil {
			return err
		}
		if raw, err = json.Marshal(text); err != nil {
			return err
		}
	} else if _, err := loraWeight(shortened(m.name), m.value); err != nil {
		return err
	}
	l.entries[at][key] = raw
	return nil
}

// member is the list as one field, nil without parts.
func (l *formLoRAs) member() (*member, error) {
	if l.entries == nil {
		return nil, nil
	}
	raw, err := json.Marshal(l.entries)
	return &member{"lora", value{raw: raw, form: true}}, err
}
