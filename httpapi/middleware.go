package httpapi

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// requestIDKey and clientKey are where the request's id is kept in gin's context, and where it comes from.
	requestIDKey = "request_id"
	clientKey    = "client"
	// maxRequestID is how many characters a client's own request id has at most.
	maxRequestID = 128
)

const (
	// noPage keeps a browser that is shown an answer from running or loading anything, or framing it. A page overrides it.
	defaultPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	// onlyTLS keeps a browser from coming back without TLS for two years. Other hosts below this one are not the API's to bind.
	onlyTLS = "max-age=63072000"
)

// around is what happens to every request: it gets an id, its trace and the headers that keep answers private, a panic becomes an
// answer, and one line of the log says what came of it. The line names the route's pattern: no path, query or address.
func (a *api) middleware(g *gin.Context) {
	start := time.Now()
	id := g.Request.Header.Get("X-Request-Id")
	if !isToken(id, maxRequestID) {
		id = rand.Text()
	}
	g.Set(requestIDKey, id)
	header := g.Writer.Header()
	header.Set("X-Request-Id", id)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", defaultPolicy)
	from := a.proxies.client(g.Request)
	g.Set(clientKey, from)
	if from.secure {
		header.Set("Strict-Transport-Security", onlyTLS)
	}

	span := a.startSpan(g)
	defer func() {
		cut := a.recovered(g, id, recover())
		done := completionOf(g, time.Since(start), cut)
		endSpan(span, done)
		a.observe(done)
		a.logRequest(g, id, done)
		if cut {
			panic(http.ErrAbortHandler)
		}
	}()
	if a.origins.allow(header, g.Request) {
		header.Del("Cache-Control")
		g.AbortWithStatus(http.StatusNoContent)
		return
	}
	g.Next()
}

// clientOf returns where a request comes from.
func clientOf(g *gin.Context) client {
	from, _ := g.Value(clientKey).(client)
	return from
}

// recovered answers for a handler that panicked, and reports whether the connection has to be cut.
func (a *api) recovered(g *gin.Context, id string, cause any) (cut bool) {
	if cause == nil {
		return false
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	a.log.ErrorContext(g.Request.Context(), "a handler panicked",
		"cause", fmt.Sprint(cause), "stack", string(debug.Stack()), "request_id", id, "route", pathTemplate(g.FullPath()))
	if g.Writer.Written() {
		return true
	}
	g.Set(problemCodeKey, codeInternal)
	a.sendProblem(g.Writer, g.Request, id, newProblem(codeInternal, "The server met a condition it did not expect."))
	return false
}

func (a *api) logRequest(g *gin.Context, id string, done RequestCompleted) {
	a.log.LogAttrs(g.Request.Context(), slog.LevelInfo, "request",
		slog.String("method", done.Method), slog.String("route", done.Route), slog.Int("status", done.Status),
		slog.Float64("seconds", done.Duration.Seconds()), slog.String("request_id", id), slog.Bool("cut", done.Aborted))
}
