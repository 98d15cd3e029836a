// Package pgtest gives a test a PostgreSQL of its own: the server that SPENDWISE_TEST_POSTGRES names (a DSN of a user who may
// create databases), else one in Docker, else one from the binaries on this machine. Without any of them the test is skipped
// with a word on what to install, or fails where CI is set. SPENDWISE_TEST_POSTGRES_VIA=docker or =local takes one rung only;
// SPENDWISE_TEST_POSTGRES_DURABLE=1 lets the binaries' server wait for its disk, as one should whose speed is measured.
//
//	st, err := postgres.Open(t.Context(), pgtest.New(t))
//
// There is one server for all tests of a process; it ends with the process.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest/pglocal"
)

const startTimeout = time.Minute

// A server is a running PostgreSQL.
type server struct {
	dsn      string // of a database to create others from
	template string // a migrated database to copy; empty on a server that is not ours
	made     atomic.Int64
	keep     *pgx.Conn // tells a container that this process lives
}

// shared starts the server on first use.
var shared = sync.OnceValues(start)

// errAbsent says that a rung of the ladder is not there.
var errAbsent = pglocal.ErrAbsent

func start() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*startTimeout)
	defer cancel()
	if dsn := os.Getenv("SPENDWISE_TEST_POSTGRES"); dsn != "" {
		return &server{dsn: dsn}, nil
	}
	rungs := map[string]func(context.Context) (*server, error){"docker": startDocker, "local": startLocal}
	order := []string{"docker", "local"}
	if via := os.Getenv("SPENDWISE_TEST_POSTGRES_VIA"); via != "" {
		if rungs[via] == nil {
			return nil, fmt.Errorf("SPENDWISE_TEST_POSTGRES_VIA is %q; it can be docker or local", via)
		}
		order = []string{via}
	}
	var missing []error
	for _, name := range order {
		s, err := rungs[name](ctx)
		switch {
		case errors.Is(err, errAbsent):
			missing = append(missing, fmt.Errorf("%s: %w", name, err))
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return s, s.makeTemplate(ctx)
	}
	return nil, errors.Join(append(missing, errAbsent)...)
}

// startLocal runs PostgreSQL from the binaries on this machine, its data in memory where that can be.
func startLocal(ctx context.Context) (*server, error) {
	config := pglocal.Config{Folders: []string{"/dev/shm"}, Settings: settings()}
	if os.Getenv("SPENDWISE_TEST_POSTGRES_DURABLE") != "" {
		config = pglocal.Config{}
	}
	local, err := pglocal.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	return &server{dsn: local.DSN("postgres")}, nil
}

// makeTemplate migrates one database, which costs a test's share of the time once.
func (s *server) makeTemplate(ctx context.Context) error {
	const name = "spendwise_template"
	if err := s.exec(ctx, "CREATE DATABASE "+name); err != nil {
		return err
	}
	if err := migrate(ctx, s.database(name)); err != nil {
		return err
	}
	s.template = name
	return nil
}

func migrate(ctx context.Context, dsn string) error {
	st, err := postgres.Open(ctx, dsn)
	if err != nil {
		return err
	}
	return errors.Join(st.Migrate(ctx), st.Close())
}

// New returns the DSN of a new database with this release's schema, which is gone when the test is over.
func New(t testing.TB) string {
	t.Helper()
	s := running(t)
	dsn := s.create(t, s.template)
	if s.template == "" {
		if err := migrate(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
	}
	return dsn
}

// Empty is New without the schema.
func Empty(t testing.TB) string {
	t.Helper()
	return running(t).create(t, "")
}

func running(t testing.TB) *server {
	t.Helper()
	s, err := shared()
	switch {
	case err == nil:
		return s
	case errors.Is(err, errAbsent) && os.Getenv("CI") == "":
		t.Skipf("no PostgreSQL for tests: start Docker with the image %s, or install the server's binaries (Debian: postgresql), "+
			"or set SPENDWISE_TEST_POSTGRES to a DSN: %v", image, err)
	default:
		t.Fatalf("no PostgreSQL for tests: %v", err)
	}
	return nil
}

func (s *server) create(t testing.TB, template string) string {
	t.Helper()
	name := fmt.Sprintf("spendwise_test_%d_%d", os.Getpid(), s.made.Add(1))
	text := "CREATE DATABASE " + name
	if template != "" {
		text += " TEMPLATE " + template
	}
	if err := s.exec(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.exec(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.database(name)
}

// exec runs a statement on a connection of its own: a session left in a template would block the next copy.
func (s *server) exec(ctx context.Context, text string) error {
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, text)
	return errors.Join(err, conn.Close(ctx))
}

// database returns the server's DSN with another database's name.
func (s *server) database(name string) string {
	config, err := pgx.ParseConfig(s.dsn)
	if err != nil {
		panic(err) // it was parsed before: a connection was made with it
	}
	return dsn(config, config.Host, int(config.Port), name)
}

func dsn(config *pgx.ConnConfig, host string, port int, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(config.User, config.Password), Path: "/" + database}
	query := url.Values{"host": {host}, "port": {fmt.Sprint(port)}}
	if config.TLSConfig == nil {
		query.Set("sslmode", "disable")
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// await polls until the server answers a query: its log says that it is ready too early.
func await(ctx context.Context, dsn string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, dsn)
		if err == nil {
			_, err = conn.Exec(ctx, "SELECT 1")
			err = errors.Join(err, conn.Close(ctx))
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server did not answer in time: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// A Link is a way to a database that a test can cut and mend, as a cable.
type Link struct {
	dsn     string
	network string // where the server listens
	target  string
	address string // where the link listens

	mu       sync.Mutex
	listener net.Listener // nil while cut
	conns    map[net.Conn]struct{}
}

// NewLink returns a link to the database of a DSN that New returned.
func NewLink(t testing.TB, target string) *Link {
	t.Helper()
	config, err := pgx.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
	link := &Link{address: "127.0.0.1:0", conns: make(map[net.Conn]struct{})}
	link.network, link.target = "tcp", net.JoinHostPort(config.Host, fmt.Sprint(config.Port))
	if config.Host[0] == '/' {
		link.network, link.target = "unix", fmt.Sprintf("%s/.s.PGSQL.%d", config.Host, config.Port)
	}
	link.Mend(t)
	t.Cleanup(link.Cut)
	_, port, err := net.SplitHostPort(link.address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	link.dsn = dsn(config, "127.0.0.1", number, config.Database)
	return link
}

// DSN leads to the database through the link.
func (l *Link) DSN() string { return l.dsn }

// Cut ends every connection and refuses new ones.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		_ = l.listener.Close()
		l.listener = nil
	}
	for conn := range l.conns {
		_ = conn.Close()
	}
	clear(l.conns)
}

// Mend lets connections through again.
func (l *Link) Mend(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener, l.address = listener, listener.Addr().String()
	go l.accept(listener)
}

func (l *Link) accept(listener net.Listener) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return // the link was cut
		}
		far, err := net.Dial(l.network, l.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		l.join(listener, near, far)
	}
}

func (l *Link) join(listener net.Listener, near, far net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != listener {
		_, _ = near.Close(), far.Close()
		return
	}
	l.conns[near], l.conns[far] = struct{}{}, struct{}{}
	for _, pair := range [...]struct{ to, from net.Conn }{{near, far}, {far, near}} {
		go func() {
			_, _ = io.Copy(pair.to, pair.from)
			_, _ = near.Close(), far.Close()
		}()
	}
}
