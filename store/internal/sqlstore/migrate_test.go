package sqlstore_test

import (
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

func TestEightInstancesMigrateAtOnce(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) {
			open := engine.empty(t)
			var group errgroup.Group
			for range 8 {
				group.Go(func() error {
					st, err := open()
					if err != nil {
						return err
					}
					defer st.Close()
					return st.Migrate(t.Context())
				})
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
			st := opened(t, open)
			if err := st.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			newLedger(t, "ann", st)
		})
	}
}

func TestPingSaysThatTheSchemaIsOlder(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) {
			err := opened(t, engine.empty(t)).Ping(t.Context())
			if err == nil || !strings.Contains(err.Error(), "run `spendwise migrate`") {
				t.Errorf("Ping of an empty database says %v", err)
			}
		})
	}
}
