// Package weights finds and checks the files of a Stable Diffusion model: it
// reads and writes safetensors, opens diffusers pipeline folders (also through
// the local Hugging Face cache), composes a pipeline with another folder's
// UNet, and answers by a tensor's canonical name where its bytes lie on disk.
//
// Canonical names are the keys that diffusers and transformers use today, with
// one choice where they have two: text encoders carry the text_model. prefix.
// Older spellings map onto them (see Kind). Only headers are read; the weights
// stay in their files, and whoever runs the network maps them from there.
//
// Nothing read from a file is believed before it is checked: a safetensors
// header must tile its file exactly, JSON is read token by token and refuses
// duplicate keys, names that become paths must be plain names, and pickles are
// refused by their first bytes.
package weights
