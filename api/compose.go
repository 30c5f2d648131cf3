package api

import (
	"errors"
	"unicode/utf8"

	"cosmicman/prompt"
)

// compose makes the prompt of a request from body and outfit, if there are any, and
// the text after them.
func (r *request) compose() error {
	fields, notes, err := prompt.ParseFields(r.Body, r.Outfit)
	var wrong *prompt.FieldError
	switch {
	case errors.As(err, &wrong):
		return invalid(shortened(wrong.Field), "%s", wrong.Message)
	case err != nil:
		return err
	case fields.Empty():
		return nil
	}
	text := ""
	if r.Prompt != nil {
		text = *r.Prompt
	}
	caption := fields.Caption(text)
	if n := utf8.RuneCountInString(caption); n > maxPrompt {
		return invalid("prompt", "the prompt that body and outfit make has %d characters, at most %d are accepted", n, maxPrompt)
	}
	r.Prompt, r.composed = &caption, true
	for _, n := range notes {
		r.notes = append(r.notes, warning{Code: "unknown_value", Param: n.Field, Message: n.Message})
	}
	return nil
}
