package main_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

// nginx returns the path of nginx. Without it, the test is skipped, or fails if CI is set.
func nginx(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} { // often not in PATH
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no nginx: install it (Debian: nginx-light)")
	}
	t.Skip("no nginx: install it (Debian: nginx-light)")
	return ""
}

// A deployment holds what the example has started.
type deployment struct {
	url         string
	certificate *x509.CertPool
	pids        map[string]int
}

// programDir is the directory of the programs that build has built.
var programDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "spendwise-deploy-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programDir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// buildOnce builds the server and the example for all tests, because linking them takes seconds.
var buildOnce = sync.OnceValue(func() error {
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", programDir, "../../httpapi/cmd/spendwise", ".")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
})

// build returns the path of a program of the example: spendwise or deploy.
func build(t *testing.T, name string) string {
	t.Helper()
	if err := buildOnce(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(programDir, name)
}

func deploy(t *testing.T) deployment {
	t.Helper()
	gateway, dsn := nginx(t), pgtest.New(t)
	command := exec.CommandContext(context.WithoutCancel(t.Context()), build(t, "deploy"),
		"-spendwise", build(t, "spendwise"), "-nginx", gateway, "-database", dsn)
	var log strings.Builder
	command.Stderr = &log
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("the example ends with %v", err)
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
	d := deployment{pids: map[string]int{}, certificate: x509.NewCertPool()}
	for lines := bufio.NewScanner(out); d.url == "" && lines.Scan(); {
		if name, pid, ok := strings.Cut(lines.Text(), " is process "); ok {
			d.pids[name], _ = strconv.Atoi(pid)
		}
		if file, ok := strings.CutPrefix(lines.Text(), "certificate "); ok {
			text, err := os.ReadFile(file)
			if err != nil || !d.certificate.AppendCertsFromPEM(text) {
				t.Fatalf("the certificate: %v", err)
			}
		}
		d.url, _ = strings.CutPrefix(lines.Text(), "gateway on ")
		if !strings.HasPrefix(d.url, "https://") {
			d.url = ""
		}
	}
	if d.url == "" {
		_ = command.Wait()
		t.Fatalf("the deployment did not start:\n%s", log.String())
	}
	return d
}

// A client sends requests from a loopback address of this machine.
type client struct {
	t     *testing.T
	http  *http.Client
	url   string
	token string
}

func (d deployment) client(t *testing.T, address string) *client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: d.certificate}, ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{t: t, http: &http.Client{Transport: transport}, url: d.url}
}

func (c *client) do(method, path, body string, header ...string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return c.http.Do(request)
}

// must sends a request and fails the test if the status differs.
func (c *client) must(status int, method, path, body string, header ...string) (http.Header, map[string]any) {
	c.t.Helper()
	response, err := c.do(method, path, body, header...)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		c.t.Fatalf("%s %s: %d %s %v, want %d", method, path, response.StatusCode, raw, err, status)
	}
	decoded := map[string]any{}
	if strings.Contains(response.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(raw, &decoded); err != nil {
			c.t.Fatal(err)
		}
	}
	return response.Header, decoded
}

// keep sends an expense until it is acknowledged, as a device does, and returns the number of attempts.
func (c *client) keep(key string) (tries int) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		tries++
		response, err := c.do("POST", "/v1/expenses", `{"amount":"1","category":"Food"}`, "Idempotency-Key", key)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusCreated {
				return tries
			}
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("no answer within a minute: %v %v", response, err)
		}
	}
}

// TestDeployment_ServesOverTLS uses the deployment over TLS. It needs its time because it builds the server and starts
// PostgreSQL, nginx and four server processes.
func TestDeployment_ServesOverTLS(t *testing.T) {
	d := deploy(t)
	c := d.client(t, "127.0.0.2")

	header, session := c.must(201, "POST", "/v1/auth/register",
		`{"email":"anna@example.org","password":"nine purple otters knitting","home_currency":"EUR"}`)
	if !strings.HasPrefix(header.Get("Strict-Transport-Security"), "max-age=") ||
		header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the answer's header: %v", header)
	}
	c.token = session["access_token"].(string)
	c.must(200, "GET", "/v1/me", "")
	c.must(200, "GET", "/.well-known/jwks.json", "")
	c.must(404, "GET", "/readyz", "")
	header, added := c.must(201, "POST", "/v1/expenses", `{"amount":"12.50","category":"Food"}`)
	if got := header.Get("Location"); got != "/v1/expenses/"+added["id"].(string) {
		t.Errorf("Location %q", got)
	}

	// An event stream of one api process receives the commits of the other.
	listening := make([]*bufio.Scanner, 2)
	for i := range listening {
		stream, err := c.do("GET", "/v1/sync/events", "")
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Body.Close()
		listening[i] = bufio.NewScanner(stream.Body)
		if stream.StatusCode != http.StatusOK || !listening[i].Scan() || listening[i].Text() != "retry: 5000" {
			t.Fatalf("a stream begins with %d %q", stream.StatusCode, listening[i].Text())
		}
	}
	c.must(200, "PATCH", "/v1/expenses/"+added["id"].(string), `{"amount":"13.50"}`)
	for i, stream := range listening {
		for stream.Scan() && stream.Text() != "event: changed" {
		}
		if err := stream.Err(); err != nil {
			t.Errorf("stream %d: %v", i+1, err)
		}
	}

	// An api process is killed. Retries succeed, and each idempotency key is applied once.
	tries := 0
	for i := range 40 {
		if i == 10 {
			if err := syscall.Kill(d.pids["api-1"], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		tries += c.keep(fmt.Sprintf("key-%d", i))
	}
	_, list := c.must(200, "GET", "/v1/expenses?limit=200", "")
	if n := len(list["data"].([]any)); n != 41 {
		t.Errorf("%d expenses, want 41", n)
	}
	t.Logf("40 expenses took %d requests while an api process was killed", tries)

	// The rate limit applies to the real address of a client, whatever it claims to be, and not to other clients.
	limited := false
	for i := 0; i < 2000 && !limited; i++ {
		response, err := c.do("POST", "/v1/auth/login", `{}`, "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i%250),
			"Forwarded", "for=198.51.100.1")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		limited = response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") != ""
	}
	if !limited {
		t.Error("nobody limits sign-ins")
	}
	d.client(t, "127.0.0.3").must(200, "POST", "/v1/auth/login",
		`{"email":"anna@example.org","password":"nine purple otters knitting"}`)

	d.refusesByItself(t, c)

	// HTTP without TLS fails, and so does a client that does not trust the certificate.
	response, err := http.Get("http" + strings.TrimPrefix(d.url, "https") + "/v1/me")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest || response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("plain HTTP is answered %d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
	strange := &http.Client{}
	if _, err := strange.Get(d.url + "/healthz"); err == nil { //nolint:bodyclose // as above.
		t.Error("a certificate that nobody knows is accepted")
	} else if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("%v", err)
	}
}

// refusesByItself sends requests that the gateway rejects itself and checks that the responses are problems like those
// of the API. It ends the auth process.
func (d deployment) refusesByItself(t *testing.T, c *client) {
	raw := func(request string) string {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(d.url, "https://"),
			&tls.Config{RootCAs: d.certificate, ServerName: "localhost"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(conn, request)
		answer, _ := io.ReadAll(conn)
		return string(answer)
	}
	for name, refused := range map[string]struct {
		status             int
		code, instance     string
		method, path, body string
	}{
		"a body too large": {413, "payload_too_large", "/v1/expenses", "POST", "/v1/expenses?x=%22",
			strings.Repeat(" ", 1<<20+1)},
		"a private path": {404, "not_found", "/readyz", "GET", "/readyz", ""},
		"its own pages":  {404, "not_found", "/gateway/internal", "GET", "/gateway/internal", ""},
	} {
		header, got := c.must(refused.status, refused.method, refused.path, refused.body, "X-Request-Id", "mine-1")
		d.checkProblem(t, name, header, got, refused.status, refused.code)
		if id := header.Get("X-Request-Id"); got["request_id"] != "mine-1" || id != "mine-1" ||
			got["instance"] != refused.instance {
			t.Errorf("%s: request_id %v, X-Request-Id %q, instance %v", name, got["request_id"], id, got["instance"])
		}
	}
	// Over HTTP/2, nginx closes the connection of such clients.
	for name, refused := range map[string]struct{ request, status, says string }{
		"no host": {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request",
			`"status":400,"detail":"The request is malformed.","instance":"/","code":"malformed"`},
		"a quote in the path": {"GET /\"}{ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400 Bad Request", `"instance":"/",` +
			`"code":"malformed"`},
		"a header too long": {"GET /v1/me HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 9<<10) + "\r\n\r\n", "431 ",
			`"instance":"/v1/me","code":"headers_too_large"`},
		"a path too long": {"GET /" + strings.Repeat("a", 9<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431 ",
			`"code":"headers_too_large"`},
	} {
		if got := raw(refused.request); !strings.HasPrefix(got, "HTTP/1.1 "+refused.status) ||
			!strings.Contains(got, refused.says) ||
			!strings.Contains(got, "\r\nContent-Type: application/problem+json\r\n") {
			t.Errorf("%s is answered %q", name, got)
		}
	}
	if err := syscall.Kill(d.pids["auth"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	header, got := c.must(503, "GET", "/v1/me", "")
	d.checkProblem(t, "a server that is gone", header, got, 503, "unavailable")
	if header.Get("Retry-After") == "" {
		t.Error("nothing says when to come back")
	}
}

// checkProblem checks that a problem of the gateway has the form of the API's problems and the title that the API
// documents for its code.
func (d deployment) checkProblem(t *testing.T, name string, header http.Header, got map[string]any, status int,
	code string) {
	t.Helper()
	if header.Get("Content-Type") != "application/problem+json" || got["code"] != code ||
		got["status"] != float64(status) ||
		got["type"] != "/problems/"+code || got["detail"] == "" || header.Get("Cache-Control") != "no-store" ||
		header.Get("X-Content-Type-Options") != "nosniff" ||
		header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s: %v %v", name, header, got)
	}
	response, err := d.client(t, "127.0.0.4").do("GET", got["type"].(string), "")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if explained, err := io.ReadAll(response.Body); err != nil ||
		!strings.HasPrefix(string(explained), fmt.Sprintf("%s\n\n%s (status %d)\n", code, got["title"], status)) {
		t.Errorf("%s: the API says %q of it, %v", name, explained, err)
	}
}
