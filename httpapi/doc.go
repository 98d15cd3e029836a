// Package httpapi serves ledgers over HTTP. It implements version 1 of the API: JSON under /v1, with every error as a
// problem document (RFC 9457). The contract is an OpenAPI document that the API serves at /openapi.json and /docs.
//
// A host mounts the handler that [New] returns under a prefix of its choice. An [auth.Authenticator] of the host
// identifies the caller of each request:
//
//	api, err := httpapi.New(st, httpapi.Config{Authenticator: host, BaseURL: "/ledger"})
//	…
//	mux.Handle("/ledger/", http.StripPrefix("/ledger", api))
//
// A [Ticker] runs beside the handler. It posts recurring expenses when they fall due and raises budget alerts.
//
// The package changes no process-wide state. In particular it leaves gin in its debug mode, in which gin prints the
// routes to standard output. Set GIN_MODE=release or call gin.SetMode to turn that off.
package httpapi
