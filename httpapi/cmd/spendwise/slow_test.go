package main_test

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

var connections = flag.Int("connections", 300, "number of idle connections in "+
	"TestServe_ClosesSlowAndOversizedConnections")

// TestServe_ClosesSlowAndOversizedConnections opens connections that send nothing, one byte per second, or too much.
// The server serves other clients and closes these connections. The test waits for the ten seconds that a client may
// take to send its headers. For many connections:
//
//	go test ./httpapi/cmd/spendwise -run TestServe_ClosesSlow -connections 10000 -v
func TestServe_ClosesSlowAndOversizedConnections(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir, "--database", "sqlite:"+filepath.Join(dir, "ledger.db"))
	c := s.register("")
	address := strings.TrimPrefix(s.url, "http://")
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}

	ask := func(request string) string {
		conn := dial()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(conn, request) // the server may close the connection before it is sent completely
		answer, _ := io.ReadAll(conn)        // or reset the connection after its response
		return string(answer)
	}
	const closing = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: alike\r\n"
	const tooLarge = "HTTP/1.1 431 Request Header Fields Too Large"
	for name, c := range map[string]struct{ request, answer string }{
		"one long header": {"GET /healthz" + closing + "X-A: " + strings.Repeat("a", 33<<10) + "\r\n\r\n",
			`"code":"headers_too_large"`},
		"many headers": {"GET /healthz" + closing + strings.Repeat("X-A: bbbbbbbbbbbbbb\r\n", 4<<10) + "\r\n",
			`"code":"headers_too_large"`},
		"a long address": {"GET /" + strings.Repeat("a", 64<<10) + closing + "\r\n", `"code":"headers_too_large"`},
		"a long header at no route": {"GET /nowhere" + closing + "X-A: " + strings.Repeat("a", 33<<10) + "\r\n\r\n",
			`"code":"headers_too_large"`},
		"a long header and a token": {"GET /v1/me" + closing + "X-A: " + strings.Repeat("a", 33<<10) +
			"\r\nAuthorization: Bearer x\r\n\r\n", `"code":"headers_too_large"`},
		"a long token that needs none": {"GET /healthz" + closing + "Authorization: Bearer " + strings.Repeat("a", 100<<10) +
			"\r\n\r\n", `"code":"headers_too_large"`},
		"headers for ever": {"GET / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", 64<<10), ""},
	} {
		got := ask(c.request)
		if (got != "" || c.answer != "") && (!strings.HasPrefix(got, tooLarge) || !strings.Contains(got, c.answer)) {
			t.Errorf("%s is answered %.300q", name, got)
		}
	}
	// A token of 100 KB gets the same response as any invalid token, except for the Date field.
	dated := regexp.MustCompile(`(?i)(date|ratelimit): [^\r]*\r\n`)
	nobody := dated.ReplaceAllString(ask("GET /v1/me"+closing+"\r\n"), "")
	long := dated.ReplaceAllString(
		ask("GET /v1/me"+closing+"Authorization: Bearer "+strings.Repeat("a", 100<<10)+"\r\n\r\n"), "")
	if long != nobody || !strings.HasPrefix(nobody, "HTTP/1.1 401 ") {
		t.Errorf("a token of 100 KB is answered\n%s\nand none\n%s", long, nobody)
	}
	// The server rejects a request that can be used for request smuggling and reads no further request.
	for name, smuggled := range map[string]string{
		"two lengths":                "Content-Length: 4\r\nContent-Length: 40\r\n\r\n",
		"an encoding nobody knows":   "Transfer-Encoding: x\r\n\r\n0\r\n\r\n",
		"an encoding twice":          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a space before the colon":   "Content-Length : 4\r\n\r\n",
		"a header over two lines":    "X-A: b\r\n c\r\nContent-Length: +4\r\n\r\n",
		"two hosts":                  "Host: y\r\n\r\n",
		"a length that is no number": "Content-Length: 0x4\r\n\r\n",
	} {
		conn := dial()
		_, _ = io.WriteString(conn,
			"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\n"+smuggled+"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: "+
				"close\r\n\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		answer, err := io.ReadAll(conn)
		if got := string(answer); strings.Contains(got, `{"status":"ok"}`) || err == nil &&
			!strings.HasPrefix(got, "HTTP/1.1 4") && !strings.HasPrefix(got, "HTTP/1.1 501") {
			t.Errorf("%s is answered %q, %v", name, got, err)
		}
	}

	for range *connections {
		dial()
	}
	const slow = 50
	var cut sync.WaitGroup
	for i := range slow {
		conn := dial()
		request := fmt.Sprintf("GET /v1/expenses HTTP/1.1\r\nHost: x\r\nX-A: %s", strings.Repeat("a", 1000))
		if i%2 == 0 {
			request = "" // send nothing
		}
		cut.Go(func() {
			for j := 0; ; j++ {
				next := "a"
				if j < len(request) {
					next = request[j : j+1]
				}
				if _, err := io.WriteString(conn, next); err != nil {
					return // the server closed the connection
				}
				time.Sleep(time.Second)
			}
		})
	}
	gone := make(chan struct{})
	go func() { cut.Wait(); close(gone) }()
	served, longest := 0, time.Duration(0)
	for deadline := time.After(2 * time.Minute); ; served++ {
		began := time.Now()
		c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"1"}`)
		longest = max(longest, time.Since(began))
		select {
		case <-gone:
			c.must(t, http.StatusOK, "GET", "/readyz", "")
			t.Logf("%d requests were served beside %d idle and %d slow connections, the longest in %s; memory at most %d MiB",
				served+1, *connections, slow, longest.Round(time.Millisecond), s.memory()>>10)
			return
		case <-deadline:
			t.Fatal("connections that send a byte a second are still open after two minutes")
		case <-time.After(100 * time.Millisecond):
		}
	}
}
