package job

import "time"

// State of a job or of one image.
type State string

// The states. A job is in progress from its first image's first start on.
const (
	Queued     State = "queued"
	InProgress State = "in_progress"
	Completed  State = "completed"
	Failed     State = "failed"    // a dead letter: kept, with its reason, for queue retry|drop
	Cancelled  State = "cancelled" //
	Expired    State = "expired"   // its deadline passed before it was started
)

// Terminal reports whether nothing follows.
func (s State) Terminal() bool {
	return s == Completed || s == Failed || s == Cancelled || s == Expired
}

// Status is the present state of a job.
type Status struct {
	ID       ID        `json:"id"`
	State    State     `json:"state"`
	Spec     Spec      `json:"spec"`
	Revision uint64    `json:"revision"` // rises with every change of state of the job or its images
	Position int       `json:"position"` // images before its first queued one; 0 when none is queued
	Created  time.Time `json:"created"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Images   []Image   `json:"images"`
	Error    *Error    `json:"error,omitempty"` // of a failed, cancelled or expired job
}

// Image is the present state of one image.
type Image struct {
	State       State    `json:"state"`
	Token       uint64   `json:"token,omitempty"`       // of its last start
	Attempts    int      `json:"attempts,omitempty"`    // starts that ended in a crash or an engine error
	Worker      string   `json:"worker,omitempty"`      // who draws it, or drew it last
	Fingerprint string   `json:"fingerprint,omitempty"` // of the engine it was last started on
	Progress    Progress `json:"progress"`
	Result      *Result  `json:"result,omitempty"`
	Error       *Error   `json:"error,omitempty"` // of its last failed attempt
}

// Progress of one image: network calls done of all, 0 of 0 before it starts.
type Progress struct {
	Done int `json:"done"`
	All  int `json:"all"`
}

// Result of one image. The bytes are in the artifact store.
type Result struct {
	Artifact    string  `json:"artifact"` // its name there
	Bytes       int64   `json:"bytes"`
	Seed        uint64  `json:"seed"`
	Width       int     `json:"width"`
	Height      int     `json:"height"`
	Fingerprint string  `json:"fingerprint"`       // of the engine that drew it
	Seconds     float64 `json:"seconds"`           // of device time, its share of packed steps
	Tokens      int     `json:"tokens"`            // real tokens of the prompt that were drawn
	Windows     int     `json:"windows,omitempty"` // of the text encoder that they fill
	Cut         string  `json:"cut,omitempty"`     // the end of the prompt that did not fit
	NegativeCut string  `json:"negative_cut,omitempty"`
}

// PreviewKind tells a decoded preview from a cheap one.
type PreviewKind string

// The kinds.
const (
	Partial PreviewKind = "partial" // Drawing.Previews of them: the predicted clean latents, decoded, in the image's size and Format
	Sketch  PreviewKind = "sketch"  // Drawing.Sketches: small, straight from the latents, JPEG
)

// Preview is what an unfinished image looks like.
type Preview struct {
	Image int         `json:"image"`
	Kind  PreviewKind `json:"kind"`
	Index int         `json:"index"` // of its kind, from 0 on
	Type  string      `json:"type"`  // the media type of Data
	Data  []byte      `json:"data"`  // an image file
}

// Update is what a watcher is told. An update always holds the whole present
// state, so that one that was missed does not matter.
type Update struct {
	Status  Status   `json:"status"`
	Preview *Preview `json:"preview,omitempty"`
}
