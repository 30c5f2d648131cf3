// Package clients holds the official OpenAI client for Go, unmodified, to a running
// server. A module of its own: the program does not depend on it.
package clients
