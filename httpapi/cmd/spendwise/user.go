package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
)

type userCmd struct {
	Add    userAddCmd    `cmd:"" help:"${userAddHelp}"`
	Passwd userPasswdCmd `cmd:"" help:"${passwdHelp}"`
	List   userListCmd   `cmd:"" help:"List the users: id, date of creation, e-mail address."`
	Remove userRemoveCmd `cmd:"" help:"Remove a user and the user's ledger."`
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
			return fmt.Errorf("user %s exists already; spendwise user passwd sets the password", cmd.Email)
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
		if err := userError(cmd.Email, users.SetPassword(ctx, cmd.Email, password)); err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.stdout, "changed the password of", cmd.Email, "and ended all sessions")
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
			_, err := fmt.Fprintf(p.stdout, "%s %s %s\n", account.ID, account.CreatedAt.Format(time.DateOnly), account.Email)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

type userRemoveCmd struct {
	Email string `arg:"" help:"The user's e-mail address."`
	Yes   bool   `help:"Do not ask for confirmation."`
}

// Run removes a user.
func (cmd *userRemoveCmd) Run(ctx context.Context, config *cli, p *process) error {
	return withUsers(ctx, config, p, func(users *auth.Users) error {
		if !cmd.Yes {
			_, err := fmt.Fprintf(p.stderr, "This permanently removes %s and the ledger. Type the e-mail address to confirm: ",
				cmd.Email)
			if err != nil {
				return err
			}
			confirmation, err := readLine(p.stdin)
			if err != nil {
				return err
			}
			if confirmation != cmd.Email {
				return errors.New("nothing was removed: the e-mail addresses differ")
			}
		}
		if err := userError(cmd.Email, users.Erase(ctx, cmd.Email)); err != nil {
			return err
		}
		_, err := fmt.Fprintln(p.stdout, "removed", cmd.Email)
		return err
	})
}

// userError adds the e-mail address to an ErrNotFound.
func userError(email string, err error) error {
	if errors.Is(err, expense.ErrNotFound) {
		return fmt.Errorf("user %s does not exist; spendwise user list prints all users", email)
	}
	return err
}

// ownerOf returns the owner id of the user with an e-mail address.
func ownerOf(ctx context.Context, db database, email string) (expense.OwnerID, error) {
	account, err := db.Accounts().AccountByEmail(ctx, email)
	if err != nil {
		return "", userError(email, err)
	}
	return account.Owner(), nil
}

// withUsers opens the database and calls fn with its users.
func withUsers(ctx context.Context, config *cli, p *process, fn func(*auth.Users) error) error {
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return err
	}
	return config.withDatabase(ctx, p, func(db database) error {
		return fn(auth.NewUsers(db.Accounts(), db, defaults, nil))
	})
}

// askPassword prompts for a password on a terminal without echo. If standard input is not a terminal, it reads a line.
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
		return "", fmt.Errorf("read a line from standard input: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
