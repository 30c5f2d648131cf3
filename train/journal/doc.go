// Package journal tells people and programs how a run goes, as package loop's Reporter:
//
//   - journal.jsonl, an object a line for each step and each other event (lines.go), which
//     is one consistent curve however often the run was killed and gone on with;
//   - TensorBoard's event files in tensorboard/ (events.go, records.go);
//   - a bar on a terminal, or now and then a line where there is none (bar.go);
//   - samples/, what was drawn on the way, as sheets with their captions (samples.go);
//   - report.html, one page of all that (page.go, chart.go), which stands by itself.
//
// A Sheet (sheet.go) is a picture of pictures with coloured text beneath, for whoever
// shows some.
package journal
