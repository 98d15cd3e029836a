// Package httpapi serves ledgers over HTTP: version 1 of the API, as JSON under /v1, every error as an RFC 9457 problem. A handler
// decodes, calls one use case of the domain and encodes; an error it returns becomes a status in one place. A host mounts
// it under a prefix of its own and says who sends a request through an [auth.Authenticator]:
//
//	api, err := httpapi.New(st, httpapi.Config{Authenticator: host, BaseURL: "/ledger"})
//	…
//	mux.Handle("/ledger/", http.StripPrefix("/ledger", api))
//
// The API sets no global of the process. So gin prints its routes to standard output unless the host asks it not to, by
// GIN_MODE=release in the environment or by gin.SetMode.
package httpapi
