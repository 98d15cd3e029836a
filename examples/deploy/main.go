// Command deploy starts the deployment of the files in its folder on this machine: nginx with TLS in front of two api
// processes, an auth process and a ticker, all on one PostgreSQL database. It uses free ports and its own certificate.
package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

//go:embed nginx.conf *.env spendwise@.service
var files embed.FS

func main() {
	server := flag.String("spendwise", "spendwise", "the path of the server's program")
	gateway := flag.String("nginx", "nginx", "the path of nginx")
	database := flag.String("database", "", "the DSN of a PostgreSQL database")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *server, *gateway, *database); err != nil {
		fmt.Fprintln(os.Stderr, "deploy:", err)
		os.Exit(1)
	}
}

// run starts all processes, prints the addresses, and stops the processes when ctx ends.
func run(ctx context.Context, server, gateway, database string) (err error) {
	if database == "" {
		return errors.New("-database is missing; set it to a postgres:// DSN")
	}
	dir, err := os.MkdirTemp("", "spendwise-deploy-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	//nolint:gosec // nginx's workers run as another user and need their folders in it.
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	if err := makeCertificate(dir); err != nil {
		return err
	}

	// The replacements of addresses and paths in the files, in the form of strings.NewReplacer.
	listen := freeAddress()
	replacements := []string{
		"listen 443 ssl http2;", "listen " + listen + " ssl http2;", "listen [::]:443 ssl http2;", "",
		"/etc/spendwise/tls/", dir + "/",
		"http {", "http {\n\tclient_body_temp_path body;\n\tproxy_temp_path proxy;\n\tfastcgi_temp_path f;\n" +
			"\tuwsgi_temp_path u;\n\tscgi_temp_path s;",
	}
	for _, address := range []string{
		"127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8090", "127.0.0.1:8091", // the API
		"127.0.0.1:9464", "127.0.0.1:9465", "127.0.0.1:9466", "127.0.0.1:9467", // metrics
	} {
		replacements = append(replacements, address, freeAddress())
	}

	running := &processes{}
	defer func() { err = errors.Join(err, running.stop()) }()
	for _, instance := range []string{"auth", "ticker", "api-1", "api-2"} {
		command, err := unit(instance, server, dir, replacements)
		if err != nil {
			return err
		}
		command.Env = append(command.Env, "SPENDWISE_DATABASE="+database)
		if err := running.start(instance, command); err != nil {
			return err
		}
		if err := waitReady(ctx, "http://"+value(command.Env, "SPENDWISE_LISTEN")+"/readyz"); err != nil {
			return fmt.Errorf("%s: %w", instance, err)
		}
		fmt.Printf("%s is process %d\n", instance, command.Process.Pid)
	}
	text, err := readFile("nginx.conf", replacements)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(text), 0o600); err != nil {
		return err
	}
	//nolint:noctx // stop ends it by a signal.
	command := exec.Command(gateway, "-p", dir, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off; pid nginx.pid;")
	if err := running.start("nginx", command); err != nil {
		return err
	}
	for range 500 {
		if conn, err := net.Dial("tcp", listen); err == nil { //nolint:noctx // a local port responds at once.
			_ = conn.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Printf("certificate %s\ngateway on https://%s\n", filepath.Join(dir, "cert.pem"), listen)
	<-ctx.Done()
	return nil
}

// readFile returns one of the embedded files with replacements applied.
func readFile(name string, replacements []string) (string, error) {
	text, err := files.ReadFile(name)
	return strings.NewReplacer(replacements...).Replace(string(text)), err
}

// unit returns the command of an instance of spendwise@.service, with the environment of the unit and its files.
func unit(instance, server, dir string, replacements []string) (*exec.Cmd, error) {
	text, err := readFile("spendwise@.service", append([]string{
		"%i", instance, "%S", dir, "/usr/local/bin/spendwise", server, "/etc/spendwise/", "",
	}, replacements...))
	if err != nil {
		return nil, err
	}
	command := &exec.Cmd{}
	for line := range strings.Lines(text) {
		key, setting, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "EnvironmentFile":
			variables, err := readFile(setting, replacements)
			if err != nil {
				return nil, err
			}
			for variable := range strings.Lines(variables) {
				if variable = strings.TrimSpace(variable); variable != "" && variable[0] != '#' {
					command.Env = append(command.Env, variable)
				}
			}
		case "Environment":
			command.Env = append(command.Env, setting)
		case "ExecStart":
			command.Args = strings.Fields(setting)
		}
	}
	if len(command.Args) == 0 {
		return nil, errors.New("spendwise@.service has no ExecStart")
	}
	command.Path, err = exec.LookPath(command.Args[0])
	return command, err
}

func value(environment []string, name string) string {
	for _, variable := range environment {
		if text, ok := strings.CutPrefix(variable, name+"="); ok {
			return text
		}
	}
	return ""
}

// processes holds the running processes in the order of their start.
type processes struct{ commands []*exec.Cmd }

// start starts a process. It copies the output to standard error, each line after the name.
func (p *processes) start(name string, command *exec.Cmd) error {
	out, in := io.Pipe()
	command.Stdout, command.Stderr = in, in
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintf(os.Stderr, "%s: %s\n", name, lines.Text())
		}
	}()
	if err := command.Start(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.commands = append(p.commands, command)
	return nil
}

// stop stops the processes in reverse order, the gateway first. It only prints the exit status of a process.
func (p *processes) stop() error {
	for i := len(p.commands) - 1; i >= 0; i-- {
		command := p.commands[i]
		if err := command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		if err := command.Wait(); err != nil {
			fmt.Fprintln(os.Stderr, command.Path, err)
		}
	}
	return nil
}

// waitReady waits until url returns 200, at most one minute.
func waitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", url, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// freeAddress returns a loopback address with a free port.
func freeAddress() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a local port.
	if err != nil {
		return "127.0.0.1:0"
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// makeCertificate writes cert.pem and key.pem, a certificate for localhost that is valid for one day.
func makeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(filepath.Join(dir, "cert.pem"), "CERTIFICATE", certificate),
		writePEM(filepath.Join(dir, "key.pem"), "PRIVATE KEY", private),
	)
}

func writePEM(path, blockType string, content []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: content}), 0o600)
}
