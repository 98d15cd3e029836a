package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spendwise/spendwise/httpapi/auth"
)

func newKEK() string {
	kek := make([]byte, auth.KEKSize)
	rand.Read(kek)
	return base64.StdEncoding.EncodeToString(kek)
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// A server is a process of the bundled server. Its address stays the same after restarts.
type server struct {
	l        *lab
	database string
	args     []string
	env      []string
	name     string

	url string // set by the first start

	mu      sync.Mutex
	metrics string
	command *exec.Cmd
	ended   chan struct{}
}

// serve starts n servers on one database, without rate limits.
func (l *lab) serve(ctx context.Context, n int, database string, args ...string) ([]*server, error) {
	var servers []*server
	for i := range n {
		s := &server{l: l, database: database, args: args, name: fmt.Sprintf("server%d", i+1)}
		if err := s.start(ctx); err != nil {
			return nil, err
		}
		l.onClose(s.stop)
		servers = append(servers, s)
	}
	return servers, nil
}

// start starts the process and waits until it listens. A restart uses the address of the first start.
func (s *server) start(ctx context.Context) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	listen := "127.0.0.1:0"
	if s.url != "" {
		listen = strings.TrimPrefix(s.url, "http://")
	}
	log, err := os.OpenFile(filepath.Join(s.l.folder, s.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }() // the process has its own handle
	command := exec.CommandContext(context.WithoutCancel(ctx), s.l.program, append([]string{
		"serve", "--database", s.database, "--listen", listen, "--metrics-listen", "127.0.0.1:0", "--rate-limits", "off",
		"--log", "json", "--rates", "embedded",
	}, s.args...)...)
	command.Env = append(os.Environ(), "XDG_DATA_HOME="+s.l.folder, "SPENDWISE_KEY_ENCRYPTION_KEY="+s.l.kek)
	command.Env = append(command.Env, s.env...)
	command.Stderr = log
	stdout, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	lines := bufio.NewScanner(stdout)
	s.metrics = ""
	for s.metrics == "" && lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok && s.url == "" {
			s.url = url
		}
		if url, ok := strings.CutPrefix(lines.Text(), "metrics on "); ok {
			s.metrics = url + "/metrics"
		}
	}
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, stdout) // the remaining output is for people
		_ = command.Wait()                 // a crash shows in the results of the load
	}()
	s.command, s.ended = command, ended
	if s.metrics == "" {
		<-ended
		text, _ := os.ReadFile(log.Name()) // the log has the cause, if it can be read
		return fmt.Errorf("%s did not start: %s", s.name, lastLine(text))
	}
	return nil
}

// kill ends the process with SIGKILL.
func (s *server) kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.command.Process.Kill()
	<-s.ended
	return err
}

func (s *server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		if errors.Is(err, os.ErrProcessDone) {
			return nil
		}
		return err
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(40 * time.Second):
		return errors.Join(fmt.Errorf("%s did not stop within 40 s of SIGTERM", s.name), s.command.Process.Kill())
	}
}

// A footprint holds the resources that a process uses.
type footprint struct {
	memory     int64 // bytes, resident
	maxMemory  int64 // bytes, the maximum resident since the process started
	goroutines int
	files      int
}

// footprint measures the process.
func (s *server) footprint(ctx context.Context) (f footprint, err error) {
	s.mu.Lock()
	pid, metrics := s.command.Process.Pid, s.metrics
	s.mu.Unlock()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return f, err
	}
	for line := range strings.Lines(string(status)) {
		for prefix, bytes := range map[string]*int64{"VmRSS:": &f.memory, "VmHWM:": &f.maxMemory} {
			if value, ok := strings.CutPrefix(line, prefix); ok {
				kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
				if err != nil {
					return f, err
				}
				*bytes = kilobytes << 10
			}
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return f, err
	}
	f.files = len(files)
	values, err := s.readMetrics(ctx, metrics)
	if f.goroutines = int(values["go_goroutines"]); err == nil && f.goroutines == 0 {
		err = fmt.Errorf("%s has no go_goroutines", metrics)
	}
	return f, err
}

// readMetrics returns the metrics of the process. It sums each metric over its labels.
func (s *server) readMetrics(ctx context.Context, metrics string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, metrics, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
			if err != nil {
				return nil, err
			}
			name, _, _ := strings.Cut(line[:at], "{")
			values[name] += value
		}
	}
	return values, nil
}

// Timings are the totals of all requests so far: their number, and the seconds spent in handlers, waiting for a
// database connection, of CPU time, and of work in PostgreSQL.
type timings struct{ requests, handling, waiting, cpu, database float64 }

// readTimings reads the totals from the servers' metrics and from PostgreSQL's statistics.
func (l *lab) readTimings(ctx context.Context, servers []*server, name string) (t timings, err error) {
	for _, s := range servers {
		values, err := s.readMetrics(ctx, s.metrics)
		if err != nil {
			return t, err
		}
		t.requests += values["spendwise_http_request_seconds_count"]
		t.handling += values["spendwise_http_request_seconds_sum"]
		t.waiting += values["spendwise_db_wait_seconds_total"]
		t.cpu += values["process_cpu_seconds_total"]
	}
	if strings.HasPrefix(name, "sqlite:") {
		return t, nil
	}
	if err := wait(ctx, time.Second); err != nil { // PostgreSQL's backends report their statistics once a second
		return t, err
	}
	conn, err := pgx.Connect(ctx, name)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	const query = "SELECT active_time / 1000 FROM pg_stat_database WHERE datname = current_database()"
	return t, conn.QueryRow(ctx, query).Scan(&t.database)
}

// printTimings prints the averages per request between before and after.
func printTimings(d *driver, before, after timings) {
	n := (after.requests - before.requests) / 1000
	d.mu.Lock()
	mean := d.sum(nil).latency.Mean() / 1000
	d.mu.Unlock()
	fmt.Printf("  average of a request: %.2f ms at the client, %.2f in the server; of these %.2f of work in PostgreSQL, "+
		"%.2f waiting for a connection; %.2f of CPU time in the server\n",
		mean, (after.handling-before.handling)/n, (after.database-before.database)/n, (after.waiting-before.waiting)/n,
		(after.cpu-before.cpu)/n)
}
