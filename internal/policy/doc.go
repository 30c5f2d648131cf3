// Package policy holds the repository's own rules as tests: which package may
// import which (imports_test.go), what no committed file may contain
// (hygiene_test.go), and whose work is named in the notices (notices_test.go).
// It has no code that the program uses.
package policy
