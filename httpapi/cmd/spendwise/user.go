package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
)

type userCmd struct {
	Add    userAddCmd    `cmd:"" help:"Add a user with a ledger; the password is asked for, or read as a line of standard input."`
	Passwd userPasswdCmd `cmd:"" help:"Set a user's password and end the user's sessions; the password is asked for, or read as a line of standard input."`
	List   userListCmd   `cmd:"" help:"List the users: id, when they were added, e-mail address."`
	Remove userRemoveCmd `cmd:"" help:"Remove a user with the whole ledger."`
}

type userAddCmd struct {
	Email        string  `arg:"" help:"The user's e-mail address."`
	HomeCurrency *string `help:"The ledger's home currency, such as EUR." placeholder:"CODE"`
	TimeZone     *string `help:"The ledger's time zone, such as Europe/Berlin." placeholder:"ZONE"`
	Locale       *string `help:"The ledger's locale, such as en-GB." placeholder:"TAG"`
}

// Run adds a user.
func (cmd *userAddCmd) Run(ctx context.Context, config *cli, p *process) error {
	return withUsers(ctx, config, p, func(users *auth.Users) error {
		password, err := p.askPassword(fmt.Sprintf("Password for %s: ", cmd.Email))
		if err != nil {
			return err
		}
		user, err := users.Add(ctx, auth.Registration{
			Email: cmd.Email, Password: password,
			Settings: expense.SettingsDraft{HomeCurrency: cmd.HomeCurrency, TimeZone: cmd.TimeZone, Locale: cmd.Locale},
		})
		if errors.Is(err, expense.ErrExists) {
			return fmt.Errorf("there is a user %s already", cmd.Email)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.stdout, "added %s %s\n", user.ID, user.Email)
		return err
	})
}

type userPasswdCmd struct {
	Email string `arg:"" help:"The user's e-mail address."`
}

// Run sets a password.
func (cmd *userPasswdCmd) Run(ctx context.Context, config *cli, p *process) error {
	return withUsers(ctx, config, p, func(users *auth.Users) error {
		password, err := p.askPassword(fmt.Sprintf("New password for %s: ", cmd.Email))
		if err != nil {
			return err
		}
		if err := named(cmd.Email, users.SetPassword(ctx, cmd.Email, password)); err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.stdout, "changed; every session of", cmd.Email, "has ended")
		return err
	})
}

type userListCmd struct{}

// Run lists the users.
func (cmd *userListCmd) Run(ctx context.Context, config *cli, p *process) error {
	return config.withDatabase(ctx, p, func(db database) error {
		for account, err := range db.Accounts().Accounts(ctx) {
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(p.stdout, "%s %s %s\n", account.ID, account.CreatedAt.Format("2006-01-02"), account.Email); err != nil {
				return err
			}
		}
		return nil
	})
}

type userRemoveCmd struct {
	Email string `arg:"" help:"The user's e-mail address."`
	Yes   bool   `help:"Do not ask whether the ledger is to go."`
}

// Run removes a user.
func (cmd *userRemoveCmd) Run(ctx context.Context, config *cli, p *process) error {
	return withUsers(ctx, config, p, func(users *auth.Users) error {
		if !cmd.Yes {
			if _, err := fmt.Fprintf(p.stderr, "This removes %s and the whole ledger for ever. Type the e-mail address to go on: ", cmd.Email); err != nil {
				return err
			}
			answer, err := readLine(p.stdin)
			if err != nil {
				return err
			}
			if answer != cmd.Email {
				return errors.New("nothing was removed")
			}
		}
		if err := named(cmd.Email, users.Erase(ctx, cmd.Email)); err != nil {
			return err
		}
		_, err := fmt.Fprintln(p.stdout, "removed", cmd.Email)
		return err
	})
}

// named says which user was not found.
func named(email string, err error) error {
	if errors.Is(err, expense.ErrNotFound) {
		return fmt.Errorf("there is no user %s; spendwise user list shows them all", email)
	}
	return err
}

// withUsers opens the database for a command about users.
func withUsers(ctx context.Context, config *cli, p *process, fn func(*auth.Users) error) error {
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return err
	}
	return config.withDatabase(ctx, p, func(db database) error {
		return fn(auth.NewUsers(db.Accounts(), db, defaults, nil))
	})
}

// askPassword asks on a terminal without showing what is typed, and reads a line where there is none.
func (p *process) askPassword(prompt string) (string, error) {
	file, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return readLine(p.stdin)
	}
	if _, err := fmt.Fprint(p.stderr, prompt); err != nil {
		return "", err
	}
	password, err := term.ReadPassword(int(file.Fd()))
	_, _ = fmt.Fprintln(p.stderr)
	return string(password), err
}

func readLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil && (!errors.Is(err, io.EOF) || line == "") {
		return "", fmt.Errorf("read a line of standard input: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
