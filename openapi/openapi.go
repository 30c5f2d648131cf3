// Package openapi holds the description of the HTTP interface, OpenAPI 3.1.
//
// swagger.json is what swag makes of the annotations in package api. openapi.json is
// what is served: the same, with what swag cannot say, which api's describe adds.
// `make openapi` makes both; tests hold them to the router and to live answers.
package openapi

import _ "embed"

// Generated is swag's.
//
//go:embed swagger.json
var Generated []byte

// Document is the whole description.
//
//go:embed openapi.json
var Document []byte
