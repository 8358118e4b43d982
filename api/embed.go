// Package api holds the published contract of the HTTP API. It is written
// first and by hand; tests compare the server's routes and every answer met in
// them with it.
package api

import _ "embed" // for the documents below

// OpenAPI is the contract as it is written, in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte

// OpenAPIJSON is the same document in JSON, its members in the same order. A
// test keeps the two equal; `go test ./api -update` writes it anew.
//
//go:embed openapi.json
var OpenAPIJSON []byte
