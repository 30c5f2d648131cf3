package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdpinput "github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browser is a Chromium without a window; each of its tabs is a visitor of their own.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = cmp.Or(path, found)
		}
	}
	if path == "" {
		t.Fatal("these tests need Chromium: sh scripts/need-chromium.sh")
	}
	// The pages are our own, and containers seldom have what the sandbox needs.
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(time.Minute))
	allocated, free := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		cancel()
		free()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return ctx
}

// tab is one visitor's page. What a page must not do fails its test: errors on its
// console, violations of its policy, requests to elsewhere.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string

	mu       sync.Mutex
	expected []string // faults that the test is about
}

// visit opens a server's page and waits for it.
func visit(t *testing.T, browser context.Context, url string) *tab {
	t.Helper()
	v := arrive(t, browser, url)
	v.until("the page is ready", ready)
	return v
}

// ready is when all of the page is there.
const ready = `document.documentElement.dataset.ready === 'true'`

// arrive opens a server's page, whatever becomes of it: faults that hold one of the
// expected texts are what the test is about.
func arrive(t *testing.T, browser context.Context, url string, expected ...string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	v := &tab{t: t, ctx: ctx, url: url, expected: expected}
	t.Cleanup(func() {
		if t.Failed() {
			v.tellState()
		}
		cancel()
	})
	if err := chromedp.Listen(ctx, v.hear); err != nil {
		t.Fatal(err)
	}
	call(v, network.Enable, network.EnableParams{})
	call(v, log.Enable, cdp.Empty{})
	v.run(chromedp.Navigate(url))
	return v
}

// call sends the browser a command.
func call[P, R any](v *tab, command cdp.Command[P, R], params P) R {
	v.t.Helper()
	result, err := chromedp.Call(v.ctx, command, params)
	if err != nil {
		v.t.Fatal(err)
	}
	return result
}

func (v *tab) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			for _, a := range e.Args {
				v.fault(fmt.Sprintf("console: %s %s", a.Value, a.Description))
			}
		}
	case *runtime.EventExceptionThrown:
		v.fault(fmt.Sprintf("exception: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			v.fault(fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		own := strings.HasPrefix(e.Request.URL, v.url) || strings.HasPrefix(e.Request.URL, "data:") || strings.HasPrefix(e.Request.URL, "blob:"+v.url)
		if !own {
			v.fault("a request to elsewhere: " + e.Request.URL)
		}
	}
}

func (v *tab) fault(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !slices.ContainsFunc(v.expected, func(part string) bool { return strings.Contains(text, part) }) {
		v.t.Errorf("the page: %s", text)
	}
}

// expect takes faults that hold a text for a part of the test.
func (v *tab) expect(part string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.expected = append(v.expected, part)
}

func (v *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		v.t.Fatal(err)
	}
}

// until waits for a JavaScript expression to be true.
func (v *tab) until(what, expression string) {
	v.t.Helper()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(30 * time.Millisecond) {
		is, err := evaluate[bool](v, "!!("+expression+")")
		if err == nil && is {
			return
		}
		if time.Now().After(end) {
			v.t.Fatalf("never: %s: %v", what, err)
		}
	}
}

// get is the value of a JavaScript expression, which may be a promise.
func get[T any](v *tab, expression string) T {
	v.t.Helper()
	out, err := evaluate[T](v, expression)
	if err != nil {
		v.t.Fatalf("%s: %v", expression, err)
	}
	return out
}

func evaluate[T any](v *tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(v.ctx, time.Minute)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// js does something in the page.
func (v *tab) js(statement string) {
	v.t.Helper()
	get[bool](v, "(() => { "+statement+"; return true })()")
}

// mouse moves the mouse, with its button up or down.
func (v *tab) mouse(kind cdpinput.DispatchMouseEventType, x, y float64) {
	v.t.Helper()
	v.run(chromedp.MouseEvent(kind, x, y, chromedp.ButtonLeft))
}

// click presses the mouse on the first thing that a selector finds.
func (v *tab) click(selector string) {
	v.t.Helper()
	v.clickOn(selector, fmt.Sprintf(`document.querySelector(%q)`, selector))
}

// press clicks on the button of the image that is looked at.
func (v *tab) press(text string) {
	v.t.Helper()
	v.clickOn("the button "+text, fmt.Sprintf(`[...document.querySelectorAll('#view button')].find(b => b.textContent === %q)`, text))
}

// clickOn presses the mouse where an element is, once nothing lies over it and it does
// not move.
func (v *tab) clickOn(what, element string) {
	v.t.Helper()
	// Twice the same place, or null where it cannot be pressed.
	place := `new Promise(resolve => {
		const x = ` + element + `
		if (!x?.checkVisibility() || x.disabled) return resolve([])
		x.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'})
		const at = () => { const r = x.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }
		const first = at()
		requestAnimationFrame(() => requestAnimationFrame(() => {
			const [cx, cy] = at()
			const top = document.elementFromPoint(cx, cy)
			const label = x.closest('label')
			resolve(cx === first[0] && cy === first[1] && (x.contains(top) || label?.contains(top)) ? [cx, cy] : [])
		}))
	})`
	for end := time.Now().Add(time.Minute); ; time.Sleep(30 * time.Millisecond) {
		at, err := evaluate[[]float64](v, place)
		if err == nil && len(at) == 2 {
			v.run(chromedp.MouseClickXY(at[0], at[1]))
			return
		}
		if time.Now().After(end) {
			v.t.Fatalf("%s cannot be clicked on: %v", what, err)
		}
	}
}

// focus gives something the focus, as a label's click would.
func (v *tab) focus(selector string) {
	v.t.Helper()
	v.js(fmt.Sprintf(`document.querySelector(%q).focus()`, selector))
}

// fill replaces what a box holds, as somebody types.
func (v *tab) fill(selector, text string) {
	v.t.Helper()
	v.click(selector)
	v.js(fmt.Sprintf(`document.querySelector(%q).select()`, selector))
	v.typed(text)
	v.js(fmt.Sprintf(`document.querySelector(%q).blur()`, selector))
}

// typed replaces what is selected where the focus is.
func (v *tab) typed(text string) {
	v.t.Helper()
	if text == "" {
		v.keys(kb.Delete)
		return
	}
	call(v, cdpinput.InsertText, cdpinput.InsertTextParams{Text: text})
}

// keys presses keys of the keyboard, one after the other.
func (v *tab) keys(keys ...string) {
	v.t.Helper()
	for _, k := range keys {
		v.run(chromedp.KeyEvent(k))
	}
}

func (v *tab) text(selector string) string {
	v.t.Helper()
	return get[string](v, fmt.Sprintf(`document.querySelector(%q)?.textContent ?? ''`, selector))
}

// say is text alone: nothing of a figure.
func (v *tab) say(text string) {
	v.t.Helper()
	v.click("#clear")
	v.click("#tab-text")
	v.fill("#prompt", text)
}

// small sets what the tiny model draws in no time.
func (v *tab) small() {
	v.t.Helper()
	v.fill("#width", "64")
	v.fill("#height", "64")
	v.fill("#steps", "4")
}

// drawn draws what the form says, and returns the image's digest.
func (v *tab) drawn() string {
	v.t.Helper()
	before := get[int](v, kept+`.then(all => all.length)`)
	v.click("#draw")
	v.finished(before + 1)
	return v.digest()
}

// finished waits until the gallery has so many images, and none is being drawn.
func (v *tab) finished(images int) {
	v.t.Helper()
	v.until(fmt.Sprintf("%d images", images), fmt.Sprintf(`document.querySelectorAll('#gallery button').length === %d && !document.querySelector('#gallery .running') && !!document.querySelector('#view img.result')`, images))
}

// kept are the images of the gallery's store, the newest first.
const kept = `new Promise((resolve, reject) => {
	const open = indexedDB.open('cosmicman')
	open.onerror = () => reject(open.error)
	open.onsuccess = () => {
		const all = open.result.transaction('images').objectStore('images').index('created').getAll()
		all.onsuccess = () => { open.result.close(); resolve(all.result.reverse()) }
	}
})`

// lookedAt is the file of the image that is looked at, as an ArrayBuffer.
const lookedAt = kept + `.then(all => all.find(x => x.id === document.querySelector('#gallery button[aria-current=true]').dataset.id).blob.arrayBuffer())`

// digest is of the file of the image that is looked at.
func (v *tab) digest() string {
	v.t.Helper()
	return get[string](v, lookedAt+`.then(b => crypto.subtle.digest('SHA-256', b)).then(d => [...new Uint8Array(d)].map(x => x.toString(16).padStart(2, '0')).join(''))`)
}

// fact is what the page says of the image that is looked at.
func (v *tab) fact(name string) string {
	v.t.Helper()
	return get[string](v, fmt.Sprintf(`[...document.querySelectorAll('#view dt')].find(d => d.textContent === %q)?.nextElementSibling.textContent ?? ''`, name))
}

// tellState helps to see why a test has failed.
func (v *tab) tellState() {
	text, err := evaluate[string](v, `document.body.innerText`)
	if err == nil {
		v.t.Logf("the page reads:\n%s", text)
	}
}

// scheme sets the system's: light or dark.
func (v *tab) scheme(name string) {
	v.t.Helper()
	call(v, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

// reload is the page's, from the server.
func (v *tab) reload() {
	v.t.Helper()
	v.run(chromedp.Reload())
	v.until("the page is ready again", ready)
}

// focused is the id of what has the focus.
func (v *tab) focused() string { v.t.Helper(); return get[string](v, `document.activeElement.id`) }

// tabTo presses Tab until something has the focus.
func (v *tab) tabTo(id string) {
	v.t.Helper()
	for range 120 {
		if v.focused() == id {
			return
		}
		v.keys(kb.Tab)
	}
	v.t.Fatalf("no number of tabs leads to %s", id)
}

// downloadsTo has the browser save files in a folder.
func (v *tab) downloadsTo(dir string) {
	v.t.Helper()
	_, err := chromedp.CallBrowser(v.ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior: cdpbrowser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir, BrowserContextID: chromedp.FromContext(v.ctx).BrowserContextID,
	})
	if err != nil {
		v.t.Fatal(err)
	}
}

// digestOf is of a file, "" while there is none.
func digestOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// servingNothing starts a server without a model and returns its URL.
func servingNothing(t *testing.T) (url string) {
	t.Helper()
	p := startProcess(t, "cosmicman", "serve", "--addr", "127.0.0.1:0", "--data", t.TempDir(), "--library", library(t))
	await(t, "the server is there", func() bool {
		if found := servesOn.FindStringSubmatch(p.out.String()); found != nil {
			url = found[1]
		}
		return url != ""
	})
	return url
}
