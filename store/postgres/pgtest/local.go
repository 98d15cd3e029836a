//go:build linux

package pgtest

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const prefix = "spendwise-pgtest-"

// startLocal runs PostgreSQL from the binaries on this machine. It listens on a socket only, in a folder whose path is short
// enough for one, and ends with this process.
func startLocal(ctx context.Context) (*server, error) {
	initdb, postgres, err := binaries()
	if err != nil {
		return nil, err
	}
	credential, err := account()
	if err != nil {
		return nil, err
	}
	sweep()
	parents, settings := []string{"/dev/shm", os.TempDir()}, settings()
	if os.Getenv("SPENDWISE_TEST_POSTGRES_DURABLE") != "" {
		parents, settings = parents[1:], nil
	}
	data, err := folder(credential, parents...)
	if err != nil {
		return nil, err
	}
	socket, err := folder(credential, "/tmp")
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, initdb, "--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D", data)
	command.Dir = data
	command.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if output, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, output)
	}
	arguments := append([]string{"-D", data, "-k", socket, "-c", "listen_addresses="}, settings...)
	if err := run(credential, data, postgres, arguments...); err != nil {
		return nil, err
	}
	dsn := (&url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: url.Values{"host": {socket}}.Encode(),
	}).String()
	return &server{dsn: dsn}, await(ctx, dsn)
}

// binaries finds initdb and postgres on the path, or in the folder of the newest version that Debian keeps.
func binaries() (initdb, postgres string, err error) {
	folders, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", "", err
	}
	slices.SortFunc(folders, func(a, b string) int { return version(b) - version(a) })
	initdb, errInit := exec.LookPath("initdb")
	postgres, errServer := exec.LookPath("postgres")
	if errInit == nil && errServer == nil {
		return initdb, postgres, nil
	}
	for _, folder := range folders {
		initdb, postgres := filepath.Join(folder, "initdb"), filepath.Join(folder, "postgres")
		if _, err := os.Stat(initdb); err != nil {
			continue
		}
		if _, err := os.Stat(postgres); err == nil {
			return initdb, postgres, nil
		}
	}
	return "", "", fmt.Errorf("%w: no initdb and postgres in PATH or /usr/lib/postgresql", errAbsent)
}

func version(folder string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
	if err != nil {
		return 0
	}
	return n
}

// account is whom to run as: the server refuses to be root's.
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
	return nil, fmt.Errorf("%w: PostgreSQL does not run as root, and there is no user postgres or nobody", errAbsent)
}

// folder makes one for the account in the first parent that can be written. Its name holds this process's id for sweep.
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

// sweep removes what processes left that are no more: nothing runs at a test binary's end.
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

// run starts the server and returns when it has started. The signal at the parent's death follows the thread that forked, so
// one goroutine keeps its thread for as long as the server runs.
func run(credential *syscall.Credential, data, postgres string, arguments ...string) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		command := exec.Command(postgres, arguments...)
		command.Dir = data
		command.Stderr = new(bytes.Buffer)
		command.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Pdeathsig: syscall.SIGQUIT}
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
		}
	}()
	return <-started
}
