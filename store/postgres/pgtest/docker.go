package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/ory/dockertest/v3"
	dc "github.com/ory/dockertest/v3/docker"
)

const (
	repository = "postgres"
	tag        = "15"
	image      = repository + ":" + tag
	// lifetime is the maximum lifetime of a container, in seconds.
	lifetime = 600
	// keeper is the application name of the session that this process holds until it ends.
	keeper = "spendwise_keeper"
	// watch starts the server and stops the container when the keeper has disconnected. A test binary cannot run code at
	// its end.
	watch = `docker-entrypoint.sh postgres "$@" &
		while sleep 1; do
			n=$(psql -U postgres -d postgres -tAc "SELECT count(*) FROM pg_stat_activity WHERE application_name = '` +
		keeper + `'")
			case "$seen$n" in 1) seen=1 ;; 10) exit ;; esac
		done 2>/dev/null`
)

// startDocker starts PostgreSQL in a container, with the data in memory.
func startDocker(ctx context.Context) (*server, error) {
	pool, err := dockertest.NewPool("")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAbsent, err)
	}
	// NewPool also succeeds without Docker, and a ping to an unanswered socket would not return.
	ping, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := pool.Client.PingWithContext(ping); err != nil {
		return nil, fmt.Errorf("%w: %w", errAbsent, err)
	}
	if _, err := pool.Client.InspectImage(image); err != nil {
		pull, cancel := context.WithTimeout(ctx, startTimeout)
		defer cancel()
		options := dc.PullImageOptions{Repository: repository, Tag: tag, Context: pull}
		if err := pool.Client.PullImage(options, dc.AuthConfiguration{}); err != nil {
			return nil, fmt.Errorf("%w: image %s: %w", errAbsent, image, err)
		}
	}
	const port = "5432/tcp"
	resource, err := pool.RunWithOptions(&dockertest.RunOptions{
		Repository:   repository,
		Tag:          tag,
		Env:          []string{"POSTGRES_HOST_AUTH_METHOD=trust", "POSTGRES_USER=postgres"},
		Entrypoint:   []string{"sh", "-c", watch, "sh"},
		Cmd:          arguments(settings()),
		PortBindings: map[dc.Port][]dc.PortBinding{port: {{HostIP: "127.0.0.1"}}},
	}, func(host *dc.HostConfig) {
		host.AutoRemove = true
		host.Tmpfs = map[string]string{"/var/lib/postgresql/data": "rw"}
	})
	if err != nil {
		return nil, err
	}
	if err := resource.Expire(lifetime); err != nil {
		return nil, err
	}
	dsn := (&url.URL{
		Scheme: "postgres", User: url.User("postgres"), Host: resource.GetHostPort(port), Path: "/postgres",
		RawQuery: "sslmode=disable",
	}).String()
	if err := await(ctx, dsn); err != nil {
		return nil, err
	}
	keep, err := pgx.Connect(ctx, dsn+"&application_name="+keeper)
	return &server{dsn: dsn, keep: keep}, err
}

// arguments returns settings as command line arguments of the server.
func arguments(settings []string) (list []string) {
	for _, setting := range settings {
		list = append(list, "-c", setting)
	}
	return list
}

// settings returns settings that make a server fast and not durable.
func settings() []string {
	return []string{"fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200",
		"shared_buffers=64MB"}
}
