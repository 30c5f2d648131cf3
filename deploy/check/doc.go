// Package check holds the tests of what deploys the program: each file is read by
// what will read it, strictly, and what it says of the program is compared with the
// program. A module of its own: the program does not depend on any of it.
package check
