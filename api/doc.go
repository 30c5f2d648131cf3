// Package api is the HTTP side: Echo routes, wire types in OpenAI's shape and
// one error table. It knows no tensors and no stores: what is asked for becomes a
// job that goes through a [Queue], and what is answered is read from [Artifacts].
//
// The lines with @ are swag's: `make openapi` makes openapi/ of them.
//
//	@title			cosmicman
//	@version		1
//	@description	Images of people from text, behind OpenAI's image API.
//	@license.name	Apache 2.0
package api
