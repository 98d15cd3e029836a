// Package pgtest provides PostgreSQL databases for tests. All tests of a process share one server, which ends with the
// process. pgtest uses the first of these servers that is available:
//
//   - the server that the environment variable SPENDWISE_TEST_POSTGRES names, a DSN of a user who may create databases
//   - a container, if Docker runs
//   - the PostgreSQL binaries of this machine (Linux only)
//
// If there is none, the test is skipped with a message that says what to install; if the variable CI is set, the test
// fails. SPENDWISE_TEST_POSTGRES_VIA=docker or =local allows only that kind of server.
// SPENDWISE_TEST_POSTGRES_DURABLE=1 makes the local server wait for its disk, for measurements.
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

// A server is a running PostgreSQL server.
type server struct {
	dsn      string // of the database from which others are created
	template string // a migrated database to copy; empty on the server of SPENDWISE_TEST_POSTGRES
	created  atomic.Int64
	keep     *pgx.Conn // keeps a container running while this process runs
}

// shared starts the server on the first call.
var shared = sync.OnceValues(start)

// errAbsent means that a kind of server is not available on this machine.
var errAbsent = pglocal.ErrAbsent

func start() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*startTimeout)
	defer cancel()
	if dsn := os.Getenv("SPENDWISE_TEST_POSTGRES"); dsn != "" {
		return &server{dsn: dsn}, nil
	}
	starters := map[string]func(context.Context) (*server, error){"docker": startDocker, "local": startLocal}
	order := []string{"docker", "local"}
	if via := os.Getenv("SPENDWISE_TEST_POSTGRES_VIA"); via != "" {
		if starters[via] == nil {
			return nil, fmt.Errorf("SPENDWISE_TEST_POSTGRES_VIA is %q; set it to docker or local", via)
		}
		order = []string{via}
	}
	var missing []error
	for _, name := range order {
		s, err := starters[name](ctx)
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

// startLocal starts the PostgreSQL binaries of this machine, with the data in memory if possible.
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

// makeTemplate migrates a database once. New copies it, which is faster than migrating each database.
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

// New returns the DSN of a new database with the schema of this release. The database is dropped when the test ends.
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

// Empty is like [New], but creates no tables.
func Empty(t testing.TB) string {
	t.Helper()
	return running(t).create(t, "")
}

// Copy returns the DSN of a new database that is a copy of the database at dsn, which New or Empty made. No session may
// be open in that database.
func Copy(t testing.TB, dsn string) string {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return running(t).create(t, config.Database)
}

func running(t testing.TB) *server {
	t.Helper()
	s, err := shared()
	switch {
	case err == nil:
		return s
	case errors.Is(err, errAbsent) && os.Getenv("CI") == "":
		t.Skipf("no PostgreSQL for tests: start Docker with the image %s, or install the server's binaries "+
			"(Debian: postgresql), or set SPENDWISE_TEST_POSTGRES to a DSN: %v", image, err)
	default:
		t.Fatalf("no PostgreSQL for tests: %v", err)
	}
	return nil
}

func (s *server) create(t testing.TB, template string) string {
	t.Helper()
	name := fmt.Sprintf("spendwise_test_%d_%d", os.Getpid(), s.created.Add(1))
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

// exec uses a connection of its own, because an open session in the template would block copying it.
func (s *server) exec(ctx context.Context, text string) error {
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, text)
	return errors.Join(err, conn.Close(ctx))
}

// database returns the DSN of another database on the same server.
func (s *server) database(name string) string {
	config, err := pgx.ParseConfig(s.dsn)
	if err != nil {
		panic(err) // the DSN was parsed before
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

// await polls until the server answers a query. The server logs that it is ready before it is.
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

// A Link is a network connection to a database that a test can interrupt and restore.
type Link struct {
	dsn     string
	network string // where the server listens
	target  string
	address string // where the link listens

	mu       sync.Mutex
	listener net.Listener // nil while cut
	conns    map[net.Conn]struct{}
}

// NewLink returns a Link to the database that the DSN target names.
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

// DSN returns a DSN that connects through the link.
func (l *Link) DSN() string { return l.dsn }

// Cut closes all connections and refuses new ones.
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

// Mend allows connections again.
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
		client, err := listener.Accept()
		if err != nil {
			return // Cut closed the listener
		}
		database, err := net.Dial(l.network, l.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		l.join(listener, client, database)
	}
}

func (l *Link) join(listener net.Listener, client, database net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != listener {
		_, _ = client.Close(), database.Close()
		return
	}
	l.conns[client], l.conns[database] = struct{}{}, struct{}{}
	for _, pair := range [...]struct{ to, from net.Conn }{{client, database}, {database, client}} {
		go func() {
			_, _ = io.Copy(pair.to, pair.from)
			_, _ = client.Close(), database.Close()
		}()
	}
}
