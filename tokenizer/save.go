package tokenizer

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
)

// Save writes the folder that Load reads, making it if need be: vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json, as
// the base models are published.
func (t *Tokenizer) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	vocab, err := t.encodeVocabulary()
	if err != nil {
		return err
	}
	names := map[string]string{
		"bos_token": t.names.begin, "eos_token": t.names.end, "unk_token": t.names.unknown, "pad_token": t.names.pad}
	type flags struct {
		Content    string `json:"content"`
		Lstrip     bool   `json:"lstrip"`
		Normalized bool   `json:"normalized"`
		Rstrip     bool   `json:"rstrip"`
		SingleWord bool   `json:"single_word"`
		Special    bool   `json:"special"`
	}
	decoder := map[string]flags{}
	for _, a := range t.added {
		decoder[strconv.Itoa(int(a.id))] = flags{a.content, a.lstrip, a.normalized, a.rstrip, false, a.special}
	}
	config := map[string]any{
		"add_prefix_space": false, "added_tokens_decoder": decoder, "clean_up_tokenization_spaces": true, "do_lower_case": true,
		"errors": "replace", "model_max_length": t.maxLength, "tokenizer_class": "CLIPTokenizer"}
	for role, content := range names {
		config[role] = content
	}
	for _, f := range []struct {
		name  string
		value any
	}{{configFile, config}, {specialsFile, names}} {
		data, err := encodeJSON(f.value, "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), data, 0o666); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, vocabFile), vocab, 0o666); err != nil {
		return err
	}
	var merges bytes.Buffer
	merges.WriteString("#version: 0.2\n")
	for _, p := range t.vocab.pairs {
		merges.WriteString(p[0] + " " + p[1] + "\n")
	}
	return os.WriteFile(filepath.Join(dir, mergesFile), merges.Bytes(), 0o666)
}

// encodeVocabulary writes word -> id in the order of the ids.
func (t *Tokenizer) encodeVocabulary() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for id, w := range t.vocab.words {
		if id > 0 {
			b.WriteString(", ")
		}
		key, err := encodeJSON(w, "")
		if err != nil {
			return nil, err
		}
		b.Write(bytes.TrimSuffix(key, []byte("\n")))
		b.WriteString(": " + strconv.Itoa(id))
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}

func encodeJSON(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
