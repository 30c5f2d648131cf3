package job

import (
	"crypto/rand"
	"fmt"
	"strings"
)

// ID names a job: "job_" and 26 characters that cannot be guessed.
type ID string

// NewID returns a fresh ID with 130 random bits.
func NewID() ID { return ID("job_" + strings.ToLower(rand.Text())) }

// ParseID refuses what NewID cannot have made.
func ParseID(s string) (ID, error) {
	rest, ok := strings.CutPrefix(s, "job_")
	if !ok || len(rest) != 26 || strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", fmt.Errorf("%.60q is not the ID of a job, expected job_ and 26 letters and digits", s)
	}
	return ID(s), nil
}

// Ref names one image of a job, and the start that a worker was given: every
// write of a worker carries it, and is refused once a later start was given.
type Ref struct {
	Job   ID     `json:"job"`
	Image int    `json:"image"` // from 0
	Token uint64 `json:"token"` // fencing token: rises with each start of the image, from 1
}

func (r Ref) String() string { return fmt.Sprintf("%s/%d#%d", r.Job, r.Image, r.Token) }
