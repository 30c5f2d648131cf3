package weights

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of JSON, so that a header of brackets cannot
// exhaust the stack. Headers need two levels, configs four or five.
const maxDepth = 32

// scanner reads JSON token by token as RFC 8259 has it: no duplicate keys, no
// lone surrogates, no trailing data, and nothing converted or guessed. The
// caller says which type it expects next.
type scanner struct {
	b     []byte
	i     int
	depth int
	// python also lets NaN, Infinity and -Infinity pass where a value is only
	// skipped: Python's json module writes them into configs.
	python bool
}

func newScanner(b []byte) (*scanner, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not valid UTF-8")
	}
	return &scanner{b: b}, nil
}

func (s *scanner) fail(format string, args ...any) error {
	return fmt.Errorf("%s at byte %d of the JSON", fmt.Sprintf(format, args...), s.i)
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// peek returns the first byte of the next token, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.i == len(s.b) {
		return 0
	}
	return s.b[s.i]
}

func (s *scanner) found() string {
	switch c := s.peek(); {
	case s.i == len(s.b):
		return "the end"
	case c == '{':
		return "an object"
	case c == '[':
		return "a list"
	case c == '"':
		return "a string"
	case c == '-' || c >= '0' && c <= '9':
		return "a number"
	case c == 't' || c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	case c < utf8.RuneSelf:
		return strconv.QuoteRune(rune(c))
	default:
		return "text"
	}
}

func (s *scanner) expect(c byte, what string) error {
	if s.peek() != c || s.i == len(s.b) {
		return s.fail("%s is expected, %s found", what, s.found())
	}
	s.i++
	return nil
}

func (s *scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return s.fail("nested deeper than %d levels", maxDepth)
	}
	return nil
}

// object reads an object and calls member for each key; member must read the
// value.
func (s *scanner) object(member func(key string) error) error {
	if err := s.expect('{', "an object"); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	var few [8]string // most objects are small: a map only for the others
	var many map[string]struct{}
	for n := 0; ; n++ {
		if n == 0 && s.peek() == '}' {
			break
		}
		key, err := s.str()
		if err != nil {
			return err
		}
		if n == len(few) {
			many = make(map[string]struct{})
			for _, k := range few {
				many[k] = struct{}{}
			}
		}
		twice := false
		if n < len(few) {
			for _, k := range few[:n] {
				twice = twice || k == key
			}
			few[n] = key
		} else {
			_, twice = many[key]
			many[key] = struct{}{}
		}
		if twice {
			return s.fail("key %s stands there twice", show(key))
		}
		if err := s.expect(':', "':'"); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		if s.peek() == '}' {
			break
		}
		if err := s.expect(',', "',' or '}'"); err != nil {
			return err
		}
	}
	s.i++
	s.depth--
	return nil
}

// array reads a list and calls element for each index; element must read it.
func (s *scanner) array(element func(i int) error) error {
	if err := s.expect('[', "a list"); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	for n := 0; ; n++ {
		if n == 0 && s.peek() == ']' {
			break
		}
		if err := element(n); err != nil {
			return err
		}
		if s.peek() == ']' {
			break
		}
		if err := s.expect(',', "',' or ']'"); err != nil {
			return err
		}
	}
	s.i++
	s.depth--
	return nil
}

// str reads a string.
func (s *scanner) str() (string, error) {
	if err := s.expect('"', "a string"); err != nil {
		return "", err
	}
	start := s.i
	for s.i < len(s.b) && s.b[s.i] != '"' && s.b[s.i] != '\\' && s.b[s.i] >= ' ' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '"' { // no escapes
		s.i++
		return string(s.b[start : s.i-1]), nil
	}
	out := append([]byte(nil), s.b[start:s.i]...)
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return string(out), nil
		case c == '\\':
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		case c < ' ':
			return "", s.fail("a control character in a string")
		default:
			out = append(out, c)
			s.i++
		}
	}
	return "", s.fail("a string does not end")
}

func (s *scanner) escape() (rune, error) {
	s.i++ // the backslash
	if s.i == len(s.b) {
		return 0, s.fail("a string does not end")
	}
	c := s.b[s.i]
	s.i++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, err := s.hex4()
		if err != nil {
			return 0, err
		}
		if !utf16.IsSurrogate(r) {
			return r, nil
		}
		if s.i+1 < len(s.b) && s.b[s.i] == '\\' && s.b[s.i+1] == 'u' {
			s.i += 2
			low, err := s.hex4()
			if err != nil {
				return 0, err
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				return r, nil
			}
		}
		return 0, s.fail("half a surrogate pair")
	}
	return 0, s.fail("an unknown escape")
}

func (s *scanner) hex4() (rune, error) {
	if s.i+4 > len(s.b) {
		return 0, s.fail("a string does not end")
	}
	var r rune
	for range 4 {
		c := s.b[s.i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, s.fail("four hexadecimal digits are expected after \\u")
		}
		r = r<<4 | rune(c)
		s.i++
	}
	return r, nil
}

// natural reads a non-negative integer that fits int64, written as digits only.
func (s *scanner) natural() (int64, error) {
	c := s.peek()
	if c < '0' || c > '9' {
		if c == '-' {
			return 0, s.fail("a non-negative integer is expected, a negative number found")
		}
		return 0, s.fail("a non-negative integer is expected, %s found", s.found())
	}
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	digits := s.b[start:s.i]
	if s.i < len(s.b) && (s.b[s.i] == '.' || s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		return 0, s.fail("a non-negative integer is expected, a fraction found")
	}
	if len(digits) > 1 && digits[0] == '0' {
		return 0, s.fail("a number with a leading zero")
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return 0, s.fail("a number over 63 bits")
	}
	return n, nil
}

// boolean reads true or false.
func (s *scanner) boolean() (bool, error) {
	switch s.peek() {
	case 't':
		return true, s.word("true")
	case 'f':
		return false, s.word("false")
	}
	return false, s.fail("a boolean is expected, %s found", s.found())
}

// word reads one literal word.
func (s *scanner) word(w string) error {
	s.space()
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return s.fail("%s is expected", w)
	}
	s.i += len(w)
	return nil
}

// skip reads any value, checking its syntax.
func (s *scanner) skip() error {
	switch c := s.peek(); {
	case c == '{':
		return s.object(func(string) error { return s.skip() })
	case c == '[':
		return s.array(func(int) error { return s.skip() })
	case c == '"':
		_, err := s.str()
		return err
	case c == 't' || c == 'f':
		_, err := s.boolean()
		return err
	case c == 'n':
		return s.word("null")
	case s.python && c == 'N':
		return s.word("NaN")
	case s.python && c == 'I':
		return s.word("Infinity")
	default:
		return s.number()
	}
}

func (s *scanner) digits() int {
	n := 0
	for ; s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9'; s.i++ {
		n++
	}
	return n
}

func (s *scanner) at(set string) bool {
	if s.i < len(s.b) {
		for _, c := range []byte(set) {
			if s.b[s.i] == c {
				s.i++
				return true
			}
		}
	}
	return false
}

func (s *scanner) number() error {
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		return s.fail("a value is expected, %s found", s.found())
	}
	if s.at("-") && s.python && s.i < len(s.b) && s.b[s.i] == 'I' {
		return s.word("Infinity")
	}
	if s.at("0") {
		if s.digits() > 0 {
			return s.fail("a number with a leading zero")
		}
	} else if s.digits() == 0 {
		return s.fail("a number without digits")
	}
	if s.at(".") && s.digits() == 0 {
		return s.fail("a number without digits after its point")
	}
	if s.at("eE") {
		s.at("+-")
		if s.digits() == 0 {
			return s.fail("a number without digits in its exponent")
		}
	}
	return nil
}

// end checks that only white space is left.
func (s *scanner) end() error {
	if s.space(); s.i < len(s.b) {
		return s.fail("trailing data")
	}
	return nil
}

// show makes a name from a file fit for an error message: quoted unless it is
// plain, and cut when long.
func show(name string) string {
	const most = 200
	cut := ""
	if len(name) > most {
		name, cut = name[:most], "..."
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == '"' || c == ',' {
			return strconv.Quote(name) + cut
		}
	}
	if name == "" {
		return `""`
	}
	return name + cut
}
