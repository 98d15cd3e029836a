//go:build linux

package pglocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const prefix = "spendwise-pglocal-"

// A Server is a PostgreSQL server. It stops when this process ends.
type Server struct {
	config     Config
	programs   map[string]string
	credential *syscall.Credential
	data       string
	socket     string
	port       int

	mu      sync.Mutex
	command *exec.Cmd
	ended   chan struct{}
}

// Start creates a database cluster and starts a server on it. It returns when the server answers.
func Start(ctx context.Context, config Config) (*Server, error) {
	s, err := prepare(config)
	if err != nil {
		return nil, err
	}
	if err := s.tool(ctx, "initdb", "--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D",
		s.data); err != nil {
		return nil, err
	}
	return s, s.Run(ctx)
}

// Standby copies the cluster and starts a standby that follows this server and can be promoted. This server must listen
// on TCP.
func (s *Server) Standby(ctx context.Context, config Config) (*Server, error) {
	standby, err := prepare(config)
	if err != nil {
		return nil, err
	}
	err = standby.tool(ctx, "pg_basebackup", "-h", s.socket, "-p", strconv.Itoa(s.port), "-U", "postgres", "-D",
		standby.data, "-R", "-X", "stream", "-c", "fast")
	if err != nil {
		return nil, err
	}
	return standby, standby.Run(ctx)
}

// Open starts a server on an existing data directory, for example a restored backup. The account that the server runs
// as must own it.
func Open(ctx context.Context, data string, config Config) (*Server, error) {
	s, err := prepare(config)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(s.data); err != nil {
		return nil, err
	}
	s.data = data
	return s, s.Run(ctx)
}

// Command returns a command that runs under the account of the server.
func (s *Server) Command(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, name, arguments...)
	command.Dir = s.socket
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	return command
}

func prepare(config Config) (*Server, error) {
	programs, err := binaries()
	if err != nil {
		return nil, err
	}
	credential, err := account()
	if err != nil {
		return nil, err
	}
	sweep()
	s := &Server{config: config, programs: programs, credential: credential, port: 5432}
	if s.data, err = folder(credential, append(slices.Clone(config.Folders), os.TempDir())...); err != nil {
		return nil, err
	}
	if s.socket, err = folder(credential, "/tmp"); err != nil { // a socket's path must be short
		return nil, err
	}
	if config.TCP {
		s.port, err = freePort()
	}
	return s, err
}

func freePort() (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

// tool runs one of PostgreSQL's programs and waits for it.
func (s *Server) tool(ctx context.Context, name string, arguments ...string) error {
	if output, err := s.Command(ctx, s.programs[name], arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, output)
	}
	return nil
}

// Run starts the server, also after Stop or Kill. It returns when the server answers.
func (s *Server) Run(ctx context.Context) error {
	arguments := []string{"-D", s.data, "-k", s.socket, "-p", strconv.Itoa(s.port), "-c", "listen_addresses="}
	if s.config.TCP {
		arguments[len(arguments)-1] = "listen_addresses=127.0.0.1"
	}
	for _, setting := range s.config.Settings {
		arguments = append(arguments, "-c", setting)
	}
	if err := s.run(arguments); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL did not answer within a minute: %w", err)
		case <-s.ended:
			return fmt.Errorf("PostgreSQL ended at its start: %s", s.command.Stderr)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// DSN returns a DSN of a database of the server, by its Unix socket.
func (s *Server) DSN(database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/" + database,
		RawQuery: url.Values{"host": {s.socket}, "port": {strconv.Itoa(s.port)}}.Encode(),
	}).String()
}

// Address returns the TCP address of the server; see Config.TCP.
func (s *Server) Address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// Programs returns the directory of the PostgreSQL programs.
func (s *Server) Programs() string { return filepath.Dir(s.programs["postgres"]) }

// Data returns the data directory.
func (s *Server) Data() string { return s.data }

// Kill ends the server and its backends with SIGKILL, as in a crash.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pid := s.command.Process.Pid
	var err error
	for _, child := range append([]int{pid}, children(pid)...) {
		if killed := syscall.Kill(child, syscall.SIGKILL); !errors.Is(killed, syscall.ESRCH) {
			err = errors.Join(err, killed)
		}
	}
	<-s.ended
	return err
}

// Stop shuts the server down and closes its connections.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.command.Process.Signal(syscall.SIGINT)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-s.ended
	return err
}

// Remove deletes the files of the server, which must be stopped.
func (s *Server) Remove() error { return errors.Join(os.RemoveAll(s.data), os.RemoveAll(s.socket)) }

// children returns the child processes of a process.
func children(pid int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var pids []int
	for _, field := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// binaries finds the programs of the newest version in the directories of Debian, or else in PATH. Debian has only
// wrappers in PATH.
func binaries() (map[string]string, error) {
	folders, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(folders, func(a, b string) int { return version(b) - version(a) })
	for _, folder := range append(folders, "") {
		programs := make(map[string]string)
		for _, name := range [...]string{"initdb", "postgres", "pg_basebackup"} {
			if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
				programs[name] = path
			}
		}
		if len(programs) == 3 {
			return programs, nil
		}
	}
	return nil, fmt.Errorf("%w: no initdb, postgres and pg_basebackup in PATH or /usr/lib/postgresql", ErrAbsent)
}

func version(folder string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
	if err != nil {
		return 0
	}
	return n
}

// account returns the account to run as, because PostgreSQL refuses to run as root; nil means the account of this
// process.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(found.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(found.Gid, 10, 32)
		if errUID == nil && errGID == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("%w: PostgreSQL does not run as root, and there is no user postgres or nobody", ErrAbsent)
}

// folder creates a directory for the account in the first writable parent. Its name contains the id of this process,
// for sweep.
func folder(credential *syscall.Credential, parents ...string) (string, error) {
	var failure error
	for _, parent := range parents {
		path, err := os.MkdirTemp(parent, prefix+strconv.Itoa(os.Getpid())+"-")
		if err == nil && credential != nil {
			err = os.Chown(path, int(credential.Uid), int(credential.Gid))
		}
		if err == nil {
			return path, nil
		}
		failure = err
	}
	return "", failure
}

// sweep deletes the directories of processes that have ended. A test binary cannot run code at its end.
func sweep() {
	for _, parent := range []string{"/dev/shm", os.TempDir(), "/tmp"} {
		left, err := filepath.Glob(filepath.Join(parent, prefix+"*"))
		if err != nil {
			continue
		}
		for _, path := range left {
			id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), prefix), "-")
			pid, err := strconv.Atoi(id)
			if err != nil || syscall.Kill(pid, 0) == nil {
				continue
			}
			_ = os.RemoveAll(path)
		}
	}
}

// run starts the process. Linux sends the parent-death signal when the thread that forked ends, so a goroutine holds
// its thread until the server ends.
func (s *Server) run(arguments []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	command, ended, started := exec.Command(s.programs["postgres"], arguments...), make(chan struct{}), make(chan error, 1)
	command.Dir = s.data
	command.Stderr = new(bytes.Buffer)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential, Pdeathsig: syscall.SIGQUIT}
	go func() {
		runtime.LockOSThread()
		defer close(ended)
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
		}
	}()
	s.command, s.ended = command, ended
	return <-started
}
