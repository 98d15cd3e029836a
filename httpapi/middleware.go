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
	// requestIDKey is where the request's id is kept in gin's context.
	requestIDKey = "request_id"
	// maxRequestID is how many characters a client's own request id has at most.
	maxRequestID = 128
)

// around is what happens to every request: it gets an id and the headers that keep answers private, a panic becomes an
// answer, and one line of the log says what came of it. The line names the route's pattern: no path, query or address.
func (a *api) around(g *gin.Context) {
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

	defer func() {
		cut := a.recovered(g, id, recover())
		done := answered(g, time.Since(start), cut)
		a.observe(done)
		a.logRequest(g, id, done)
		if cut {
			panic(http.ErrAbortHandler)
		}
	}()
	g.Next()
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
		"cause", fmt.Sprint(cause), "stack", string(debug.Stack()), "request_id", id)
	if g.Writer.Written() {
		return true
	}
	g.Set(problemCodeKey, codeInternal)
	a.sendProblem(g.Writer, g.Request, id, newProblem(codeInternal, "The server met a condition it did not expect."))
	return false
}

func (a *api) logRequest(g *gin.Context, id string, done RequestAnswered) {
	a.log.LogAttrs(g.Request.Context(), slog.LevelInfo, "request",
		slog.String("method", done.Method), slog.String("route", done.Route), slog.Int("status", done.Status),
		slog.Float64("seconds", done.Took.Seconds()), slog.String("request_id", id), slog.Bool("cut", done.Cut))
}
