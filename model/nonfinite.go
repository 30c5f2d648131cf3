package model

import (
	"bytes"
	"strings"
)

// Numbers that no float64 holds stand for the literals that Python's json
// writes beside JSON's own. A key that is read refuses them, others may hold them.
const (
	nanNumber      = "1e9999"
	infinityNumber = "1e999"
)

var literals = strings.NewReplacer(nanNumber, "NaN", infinityNumber, "Infinity")

// plainNumbers rewrites NaN and Infinity where they stand outside strings.
func plainNumbers(data []byte) []byte {
	if !bytes.Contains(data, []byte("NaN")) && !bytes.Contains(data, []byte("Infinity")) {
		return data
	}
	var out []byte
	inString := false
	for i := 0; i < len(data); i++ {
		switch rest := data[i:]; {
		case inString && data[i] == '\\' && i+1 < len(data):
			out = append(out, data[i])
			i++
		case data[i] == '"':
			inString = !inString
		case inString:
		case bytes.HasPrefix(rest, []byte("NaN")):
			out = append(out, nanNumber...)
			i += len("NaN") - 1
			continue
		case bytes.HasPrefix(rest, []byte("Infinity")):
			out = append(out, infinityNumber...)
			i += len("Infinity") - 1
			continue
		}
		out = append(out, data[i])
	}
	return out
}
