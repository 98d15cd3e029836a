package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A server is a process of the real program, with the test's database and data directory.
type server struct {
	t       testing.TB
	args    []string
	dataDir string
	url     string
	metrics string // the URL of the metrics listener, if any
	command *exec.Cmd
	log     *bytes.Buffer
}

// program returns a command that runs the real program. It runs the test binary, whose TestMain calls main.
func program(ctx context.Context, dataDir string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, os.Args[0], args...)
	command.Env = append(os.Environ(), "SPENDWISE_TEST_IS_PROGRAM=1", "XDG_DATA_HOME="+dataDir)
	return command
}

// start starts a server on a free port and waits for its URL. It is stopped at the end of the test.
func start(t testing.TB, dataDir string, args ...string) *server {
	t.Helper()
	s := &server{t: t, dataDir: dataDir, args: append([]string{
		"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "", "--rates", "embedded", "--log", "json",
	}, args...)}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.t.Helper()
	// The context of a test ends before its clean-up functions run, but the process must live until then.
	s.command = program(context.WithoutCancel(s.t.Context()), s.dataDir, s.args...)
	s.log = new(bytes.Buffer)
	s.command.Stderr = s.log
	stdout, err := s.command.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			s.url = url
			if s.metrics = ""; lines.Scan() { // the next line has the URL of the metrics, if enabled
				if at, ok := strings.CutPrefix(lines.Text(), "metrics on "); ok {
					s.metrics = at
				}
			}
			go io.Copy(io.Discard, stdout) //nolint:errcheck // the remaining output is for people.
			return
		}
	}
	err = s.command.Wait()
	s.t.Fatalf("the server did not start: %v\n%s", err, s.log)
}

// kill ends the server with SIGKILL and waits until the process has ended.
func (s *server) kill() {
	if s.command.ProcessState == nil {
		_ = s.command.Process.Kill()
		_ = s.command.Wait()
	}
}

// stop sends SIGTERM and returns the exit status.
func (s *server) stop() error {
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.command.Wait()
}

// run runs another command of the program with input and returns its standard output.
func (s *server) run(input string, args ...string) (stdout string, err error) {
	command := program(s.t.Context(), s.dataDir, args...)
	command.Stdin = strings.NewReader(input)
	var out, failed bytes.Buffer
	command.Stdout, command.Stderr = &out, &failed
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, failed.String())
	}
	return out.String(), nil
}

// A client sends requests to a server as one user.
type client struct {
	http  *http.Client
	url   string
	token string
}

var accounts atomic.Int64

// register registers a new user and returns a client of that user.
func (s *server) register(settings string) *client {
	s.t.Helper()
	c := &client{http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, url: s.url}
	s.t.Cleanup(c.http.CloseIdleConnections)
	body := fmt.Sprintf(`{"email":"user%d@example.com","password":"a long pass phrase"%s}`, accounts.Add(1), settings)
	status, answer := c.do("POST", "/v1/auth/register", body)
	if status != http.StatusCreated {
		s.t.Fatalf("register: %d %s", status, answer)
	}
	c.token = answer.text("access_token")
	return c
}

// An answer is a response body, decoded if it is JSON.
type answer map[string]any

func (a answer) text(name string) string { return fmt.Sprint(a[name]) }

func (c *client) do(method, path, body string, headers ...string) (int, answer) {
	status, raw := c.raw(method, path, body, headers...)
	var decoded answer
	if err := json.Unmarshal(raw, &decoded); err != nil {
		decoded = answer{"raw": string(raw)}
	}
	return status, decoded
}

// raw sends a request and returns status and body. Status 0 means that the response was incomplete.
func (c *client) raw(method, path, body string, headers ...string) (int, []byte) {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, c.url+path, content)
	if err != nil {
		return 0, []byte(err.Error())
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return response.StatusCode, raw
}

// must is do, but fails the test if the status differs.
func (c *client) must(t testing.TB, want int, method, path, body string, headers ...string) answer {
	t.Helper()
	status, decoded := c.do(method, path, body, headers...)
	if status != want {
		t.Fatalf("%s %s: %d %v, want %d", method, path, status, decoded, want)
	}
	return decoded
}

// expenses returns all expenses of the client's ledger, page by page.
func (c *client) expenses(t testing.TB) []answer {
	t.Helper()
	var all []answer
	for path := "/v1/expenses?limit=200&sort=created"; ; {
		page := c.must(t, http.StatusOK, "GET", path, "")
		for _, row := range page["data"].([]any) {
			all = append(all, row.(map[string]any))
		}
		cursor, more := page["next_cursor"].(string)
		if !more {
			return all
		}
		path = "/v1/expenses?limit=200&sort=created&cursor=" + cursor
	}
}
