package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cosmicman/job"
)

// tree is a JSON object of the description.
type tree = map[string]any

// describe completes what swag makes of the annotations with what it cannot say:
// bodies, which follow from the table of fields, nulls, the headers that all answers
// have, who may ask. The order of its output is that of the keys.
func describe(generated []byte) ([]byte, error) {
	var doc tree
	if err := json.Unmarshal(generated, &doc); err != nil {
		return nil, fmt.Errorf("swag's description: %w", err)
	}
	delete(doc, "externalDocs")
	delete(doc, "swagger")
	doc["openapi"] = "3.1.0"
	doc["servers"] = []any{tree{"url": "/"}}
	doc = plainNames(doc).(tree)
	components := doc["components"].(tree)
	schemas := components["schemas"].(tree)
	for _, s := range schemas {
		nullable(s.(tree))
	}
	components["securitySchemes"] = tree{"key": tree{"type": "http", "scheme": "bearer", "description": "One of the server's keys, where it has any."}}
	components["headers"] = tree{
		"RequestID":  tree{"schema": tree{"type": "string"}, "description": "Of this request, in the server's log too."},
		"RetryAfter": tree{"schema": tree{"type": "integer", "minimum": 0}, "description": "Seconds after which to come again."},
	}
	for path, item := range doc["paths"].(tree) {
		for method, op := range item.(tree) {
			operation(path, method, op.(tree))
		}
	}
	bodies(doc["paths"].(tree), schemas)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(doc)
	return out.Bytes(), err
}

// plainNames takes Go's package names off the schemas, and swag's extensions out.
func plainNames(v any) any {
	switch v := v.(type) {
	case tree:
		out := tree{}
		for name, inner := range v {
			if strings.HasPrefix(name, "x-enum") || name == "uniqueItems" {
				continue
			}
			if ref, is := inner.(string); is && name == "$ref" {
				before, after, _ := strings.Cut(ref, "schemas/")
				out[name] = before + "schemas/" + capital(after)
				continue
			}
			if strings.HasPrefix(name, "api.") || strings.HasPrefix(name, "job.") || strings.HasPrefix(name, "prompt.") {
				name = capital(name)
			}
			out[name] = plainNames(inner)
		}
		return out
	case []any:
		for i := range v {
			v[i] = plainNames(v[i])
		}
	}
	return v
}

func capital(name string) string {
	name = name[strings.LastIndexByte(name, '.')+1:]
	return strings.ToUpper(name[:1]) + name[1:]
}

// nullable says of the properties that the annotations mark so that they may be null.
func nullable(schema tree) {
	properties, _ := schema["properties"].(tree)
	for name, p := range properties {
		p := p.(tree)
		if p["format"] == "base64" {
			properties[name] = tree{"type": "string", "contentEncoding": "base64"}
			continue
		}
		if p["x-nullable"] != true {
			continue
		}
		delete(p, "x-nullable")
		description := p["description"]
		delete(p, "description")
		either := tree{"anyOf": []any{p, tree{"type": "null"}}}
		if description != nil {
			either["description"] = description
		}
		properties[name] = either
	}
}

// public are the operations that need no key.
var public = []string{"/healthz", "/readyz", "/v1/images/files/{name}"}

func operation(path, method string, op tree) {
	name := method
	for _, word := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '{' || r == '}' || r == '.' }) {
		if word != "v1" {
			name += capital(word)
		}
	}
	op["operationId"] = name
	if !slices.Contains(public, path) {
		op["security"] = []any{tree{}, tree{"key": []any{}}} // none, where the server has no keys
	}
	for status, r := range op["responses"].(tree) {
		r := r.(tree)
		content, _ := r["content"].(tree)
		switch {
		case status == "204":
			delete(r, "content")
		case status >= "400" && path != "/readyz":
			r["content"] = tree{"application/json": onlyOf(content)}
		}
		headers, _ := r["headers"].(tree)
		if headers == nil {
			headers = tree{}
			r["headers"] = headers
		}
		headers["X-Request-Id"] = tree{"$ref": "#/components/headers/RequestID"}
		if status == "429" || status == "503" && path != "/readyz" {
			headers["Retry-After"] = tree{"$ref": "#/components/headers/RetryAfter"}
		}
	}
}

func onlyOf(content tree) any {
	for _, v := range content {
		return v
	}
	return tree{}
}

// bodies describes the routes whose bodies are read by the table of fields.
func bodies(paths, schemas tree) {
	for on, path := range routePaths {
		item, is := paths[path].(tree)
		if !is {
			continue
		}
		op := item["post"].(tree)
		schema := bodySchema(on)
		word := path[strings.LastIndexByte(path, '/')+1:]
		name := strings.ToUpper(word[:1]) + word[1:]
		content := tree{}
		if on != variations {
			body := schema
			if on == edits {
				body = withPictureURLs(schema)
			}
			schemas[name+"Body"] = body
			inJSON := tree{"schema": ref(name + "Body")}
			if example, has := examples[on]; has {
				inJSON["example"] = example
			}
			content["application/json"] = inJSON
		}
		if on == edits || on == variations {
			schemas[name+"Form"] = withFiles(schema, on)
			form := tree{"schema": ref(name + "Form")}
			if on == edits { // objects stand in a form as JSON
				form["encoding"] = tree{"body": tree{"contentType": "text/plain"}, "outfit": tree{"contentType": "text/plain"}, "lora": tree{"contentType": "text/plain"}}
			}
			content["multipart/form-data"] = form
		}
		op["requestBody"] = tree{"required": true, "content": content}
		if on == prompts {
			continue
		}
		op["parameters"] = []any{
			tree{"name": "Idempotency-Key", "in": "header", "schema": tree{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
				"description": "A request that is sent again with its key is answered with the first one's images."},
			tree{"name": "Prefer", "in": "header", "schema": tree{"type": "string"},
				"description": "respond-async: answer at once with a job, see /v1/jobs/{id}."},
		}
		ok := op["responses"].(tree)["200"].(tree)["content"].(tree)
		if on != variations {
			ok["text/event-stream"] = tree{"schema": tree{"type": "string", "description": "With stream: true: events, the data of each an ImageEvent."}}
		}
	}
}

// chequered is a PNG of 64x64 pixels.
const chequered = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAMklEQVR42u3NwQ0AAAgCMQZz/ziWI/A3vTcpmdKWAgAAAAAA4B3QBu0AAAAAAADAO+AA7qkgeQQG5GUAAAAASUVORK5CYII="

// examples are bodies that can be sent as they are: what is made up from the schema has
// every field at once, with values that no server knows.
var examples = map[routes]tree{
	generations: {
		"prompt":  "on a bridge at sunset",
		"body":    tree{"shot": "upper_body", "gender": "female", "age": "adult", "hair": tree{"style": "curly", "color": "red"}},
		"outfit":  tree{"coat": tree{"type": "jacket", "material": "denim"}, "top": "white t-shirt"},
		"quality": "low", "seed": 17, "size": "auto", "response_format": "url",
	},
	edits: {
		"images": []any{tree{"image_url": chequered}}, "prompt": "a red hat", "quality": "low", "strength": 0.6, "seed": 17, "response_format": "url",
	},
	prompts: {"prompt": "A young woman with curly red hair in a denim jacket over a white t-shirt on a bridge at sunset"},
}

func ref(name string) tree { return tree{"$ref": "#/components/schemas/" + name} }

// bodySchema is that of all fields of a route but the pictures.
func bodySchema(on routes) tree {
	properties := tree{}
	for _, f := range fields {
		if f.on&on != 0 {
			properties[f.name] = f.schema()
		}
	}
	s := tree{"type": "object", "properties": properties, "additionalProperties": false}
	if on != variations {
		s["anyOf"] = []any{tree{"required": []any{"prompt"}}, tree{"required": []any{"body"}}, tree{"required": []any{"outfit"}}}
	}
	return s
}

// schema says what the field's values are.
func (f *field) schema() tree {
	s := tree{"description": f.doc}
	if f.fallback != "" {
		s["description"] = f.doc + " Default: " + f.fallback + "."
	}
	numbers := func(kind string) {
		s["type"] = []any{kind, "null"}
		if f.above {
			s["exclusiveMinimum"] = f.min
		} else {
			s["minimum"] = f.min
		}
		s["maximum"] = f.max
	}
	switch f.into(&request{}).(type) {
	case **string:
		s["type"] = []any{"string", "null"}
		limit := f.max
		if limit == 0 {
			limit = maxName
		}
		s["maxLength"] = limit
		if f.name == "model" {
			s["minLength"] = 1
		}
		if f.choices != nil {
			delete(s, "maxLength")
			values := []any{}
			for _, c := range f.choices {
				values = append(values, c)
			}
			s["enum"] = append(values, nil)
		}
	case **int, **uint64:
		numbers("integer")
	case **float64:
		numbers("number")
	case **bool:
		s["type"] = []any{"boolean", "null"}
	case *json.RawMessage:
		s["type"] = []any{"object", "null"}
	case *[]job.LoRA:
		s["type"], s["maxItems"] = []any{"array", "null"}, job.MaxLoRAs
		s["items"] = tree{"type": "object", "additionalProperties": false, "required": []any{"name"}, "properties": tree{
			"name":   tree{"type": "string", "minLength": 1, "maxLength": maxName},
			"weight": tree{"type": []any{"number", "null"}, "minimum": -job.MaxLoRAWeight, "maximum": job.MaxLoRAWeight},
		}}
	}
	return s
}

func copied(schema tree) tree {
	out := maps.Clone(schema)
	out["properties"] = maps.Clone(schema["properties"].(tree))
	return out
}

func withPictureURLs(schema tree) tree {
	out := copied(schema)
	picture := tree{"type": "object", "additionalProperties": false, "required": []any{"image_url"}, "properties": tree{
		"image_url": tree{"type": "string", "maxLength": maxImageURL, "description": "A data URL of a PNG, JPEG or WebP; http and https only where the server fetches pictures."},
		"file_id":   tree{"type": "string", "description": "Refused: this server keeps no files."},
	}}
	p := out["properties"].(tree)
	p["images"] = tree{"type": "array", "items": picture, "minItems": 1, "maxItems": 1, "description": "The picture that is drawn anew: one."}
	p["mask"] = picture
	out["required"] = []any{"images"}
	return out
}

func withFiles(schema tree, on routes) tree {
	out := copied(schema)
	p := out["properties"].(tree)
	file := func(doc string) tree {
		return tree{"type": "string", "contentMediaType": "application/octet-stream", "description": doc}
	}
	p["image"] = file("PNG, JPEG or WebP under 50 MB. Also as image[].")
	if on == edits {
		p["mask"] = file("PNG of the image's size; where it is transparent the image is drawn anew.")
	}
	for name, v := range p { // a form has no null, and its objects are JSON in text
		s, _ := v.(tree)
		kinds, is := s["type"].([]any)
		if !is {
			continue
		}
		s = maps.Clone(s)
		s["type"] = kinds[0]
		if values, is := s["enum"].([]any); is {
			s["enum"] = values[:len(values)-1]
		}
		if kinds[0] == "object" || kinds[0] == "array" {
			s["type"], s["contentMediaType"] = "string", "application/json"
			delete(s, "items")
			delete(s, "maxItems")
		}
		p[name] = s
	}
	out["required"] = []any{"image"}
	return out
}
