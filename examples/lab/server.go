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

// A server is the bundled server in a process of its own. It keeps its address over restarts.
type server struct {
	l        *lab
	database string
	args     []string
	env      []string
	name     string

	url string // from the first start on

	mu      sync.Mutex
	metrics string
	command *exec.Cmd
	ended   chan struct{}
}

// serve starts servers on one database, without rate limits.
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

// start starts the process, on the address it had before if there was one, and waits until it listens.
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
	defer func() { err = errors.Join(err, log.Close()) }() // the process has a handle of its own
	command := exec.CommandContext(context.WithoutCancel(ctx), s.l.program, append([]string{
		"serve", "--database", s.database, "--listen", listen, "--metrics-listen", "127.0.0.1:0", "--rate-limits", "off", "--log", "json",
		"--rates", "embedded",
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
		_, _ = io.Copy(io.Discard, stdout) // what else it prints is for people
		_ = command.Wait()                 // how it ended shows in what it answered
	}()
	s.command, s.ended = command, ended
	if s.metrics == "" {
		<-ended
		text, _ := os.ReadFile(log.Name()) // the log is the explanation, if there is one
		return fmt.Errorf("%s did not start: %s", s.name, lastLine(text))
	}
	return nil
}

// kill ends the process as a crash does.
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

// A footprint is what a process holds.
type footprint struct {
	memory     int64 // bytes, resident
	most       int64 // bytes, the most that were resident since the process began
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
		for prefix, bytes := range map[string]*int64{"VmRSS:": &f.memory, "VmHWM:": &f.most} {
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
	counted, err := s.counted(ctx, metrics)
	if f.goroutines = int(counted["go_goroutines"]); err == nil && f.goroutines == 0 {
		err = fmt.Errorf("%s has no go_goroutines", metrics)
	}
	return f, err
}

// counted reads what the process counts, each metric summed up over its labels.
func (s *server) counted(ctx context.Context, metrics string) (map[string]float64, error) {
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
	counted := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
			if err != nil {
				return nil, err
			}
			name, _, _ := strings.Cut(line[:at], "{")
			counted[name] += value
		}
	}
	return counted, nil
}

// Hops are what all requests together took so far, by who worked or waited.
type hops struct{ requests, answering, waiting, processor, database float64 } // seconds

// hops asks the servers, and PostgreSQL how long it worked on statements.
func (l *lab) hops(ctx context.Context, servers []*server, name string) (h hops, err error) {
	for _, s := range servers {
		counted, err := s.counted(ctx, s.metrics)
		if err != nil {
			return h, err
		}
		h.requests += counted["spendwise_http_request_seconds_count"]
		h.answering += counted["spendwise_http_request_seconds_sum"]
		h.waiting += counted["spendwise_db_wait_seconds_total"]
		h.processor += counted["process_cpu_seconds_total"]
	}
	if strings.HasPrefix(name, "sqlite:") {
		return h, nil
	}
	if err := wait(ctx, time.Second); err != nil { // a backend reports what it did once a second
		return h, err
	}
	conn, err := pgx.Connect(ctx, name)
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	err = conn.QueryRow(ctx, "SELECT active_time / 1000 FROM pg_stat_database WHERE datname = current_database()").Scan(&h.database)
	return h, err
}

// printHops says what the hops of a phase took in the mean.
func printHops(d *driver, before, after hops) {
	n := (after.requests - before.requests) / 1000
	d.mu.Lock()
	mean := d.sum(nil).latency.Mean() / 1000
	d.mu.Unlock()
	fmt.Printf("  a request in the mean: %.2f ms at the client, %.2f in the server; of it PostgreSQL at work %.2f, waiting for a connection %.2f; processor of the server %.2f\n",
		mean, (after.answering-before.answering)/n, (after.database-before.database)/n, (after.waiting-before.waiting)/n, (after.processor-before.processor)/n)
}
