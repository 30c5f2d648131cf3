// Package job holds the words that the HTTP side, the scheduler and the engine
// share: what is to be drawn ([Spec], [Drawing]), how far it is ([Status],
// [Progress]), what came out ([Result], [Error]), what happened ([Event]) and how
// work is packed ([Group]).
//
// A job is one request, for one or more images. The image is what is leased,
// drawn, retried and recorded; a job ends when all its images have.
package job
