package api

import (
	"context"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"cosmicman/prompt"
	"cosmicman/tokenizer"
)

const promptsPath = "/v1/prompts"

// explanation is what is made of a prompt, with what is worth knowing of its values.
type explanation struct {
	*prompt.Explanation
	Warnings []warning `json:"warnings,omitempty"`
}

// explain tells what the server understands of a prompt. Nothing is drawn.
//
//	@Summary	What is understood of a prompt
//	@Description	The caption that body, outfit and prompt make, its phrases by group with their attributes and spans, and its tokens. Nothing is drawn.
//	@Tags	prompts
//	@Produce json
//	@Success 200 {object} explanation "what is made of it"
//	@Failure 400,401,403,404,413,415,429,500,503 {object} errorAnswer "what is wrong; param names the field"
//	@Router	/v1/prompts [post]
func (s *server) explain(c echo.Context) error {
	members, err := readJSON(c.Response(), c.Request(), maxBody, io.ReadAll)
	if err != nil {
		return err
	}
	r, err := readRequest(prompts, members)
	if err != nil {
		return err
	}
	tok, err := s.tokenizer(c.Request().Context(), r)
	if err != nil {
		return err
	}
	e, err := prompt.Explain(tok, *r.Prompt, prompt.Options{Chunk: *r.LongPrompt == "chunk", Weighted: *r.PromptSyntax == "weighted"})
	if err != nil {
		return invalid("prompt", "prompt: %v", err)
	}
	return c.JSON(http.StatusOK, explanation{e, r.notes})
}

// tokenizer is that of the model that is named, or of the default one.
func (s *server) tokenizer(ctx context.Context, r *request) (*tokenizer.Tokenizer, error) {
	if s.Tokenizer == nil {
		return tokenizer.Default(), nil
	}
	name := ""
	if r.Model != nil {
		name = *r.Model
	}
	return s.Tokenizer(ctx, name)
}

// vocabulary tells what body and outfit may say, for who offers choices.
//
//	@Summary	What body and outfit may say
//	@Description	The shots, and the groups with their attributes and the values that models have learned; others may be given.
//	@Tags	prompts
//	@Produce json
//	@Success 200 {object} prompt.VocabularyAll "the groups"
//	@Failure 401,403,429,500,503 {object} errorAnswer "a key is needed"
//	@Router	/v1/prompts [get]
func (s *server) vocabulary(c echo.Context) error {
	return c.JSON(http.StatusOK, prompt.Vocabulary())
}
