// Package ingress protects the API against callers before a handler runs: it limits request rates, determines the
// client's address behind trusted proxies, answers CORS preflights, checks and parses request headers, sets the
// response headers that browsers enforce, and bounds how long a request may take.
//
// The package knows neither the router nor the problem documents of the API. Its errors are typed, and package httpapi
// maps them to problems.
package ingress
