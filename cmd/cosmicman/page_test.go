package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	cdpinput "github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"cosmicman/weights/lora"
)

// TestPage visits the page of a server with a tiny model, as people do.
func TestPage(t *testing.T) {
	folder, dir := tiny(t, "tiny-sd"), t.TempDir()
	for i, name := range []string{"portrait", "some/style"} {
		path := filepath.Join(dir, name+loraExt)
		writeLoRA(t, folder, path, uint64(i), lora.Attention, 2)
		settled(t, path)
	}
	s := serving(t, t.TempDir(), "--model", folder, "--lora-dir", dir)
	b := browser(t)
	open := func(f func(*testing.T, *tab)) func(*testing.T) {
		return func(t *testing.T) { f(t, visit(t, b, s.url)) }
	}
	t.Run("text", open(pageDrawsText))
	t.Run("panels", open(pageDrawsPanels))
	t.Run("marks", open(pageMarksText))
	t.Run("writing", open(pageDrawsWhatIsWritten))
	t.Run("cancel", open(pageCancels))
	t.Run("errors", open(pageShowsErrorsWhereTheyBelong))
	t.Run("gallery", open(pageKeepsImages))
	t.Run("variation", open(pageDrawsVariations))
	t.Run("brush", open(pagePaints))
	t.Run("own", open(pageTakesOwnPictures))
	t.Run("calls", open(pageTellsCallsThatWork))
	t.Run("loras", open(pageDrawsWithLoRAs))
	t.Run("keyboard", open(pageWorksByKeyboard))
	t.Run("themes", open(pageIsLightAndDark))
	t.Run("names", open(pageNamesItsControls))
	t.Run("widths", open(pageFitsScreens))
	t.Run("polling", open(pageAsksWhereEventsDoNotCome))
	t.Run("several", open(pageDrawsSeveral))
	t.Run("safety", open(pageTakesTextAsText))
}

func pageDrawsText(t *testing.T, v *tab) {
	v.say("a headshot, a Caucasian child male, a white wall")
	v.small()
	first := v.drawn()
	if got := v.fact("Prompt"); got != "a headshot, a Caucasian child male, a white wall" {
		t.Errorf("the prompt of the image reads %q", got)
	}
	seed := v.fact("Seed")
	if v.drawn() == first || v.fact("Seed") == seed {
		t.Error("another image has the same seed")
	}
	// The first one again, by its seed.
	v.click("#gallery li:nth-child(2) button")
	v.press("Again with this seed")
	v.finished(3)
	if v.fact("Seed") != seed || v.digest() != first {
		t.Error("the same seed draws another image")
	}
	if v.text("#seed") != "" || get[string](v, `document.querySelector('#seed').value`) != seed || !get[bool](v, `document.querySelector('#keepSeed').checked`) {
		t.Error("the seed is not kept in the form")
	}
}

func pageDrawsPanels(t *testing.T, v *tab) {
	v.click(`[data-param="body.hair.style"] input[value="bob"]`)
	v.click(`[data-param="body.hair.color"] input[value="blonde"]`)
	v.click(`[data-param="body.background"] input[value="a beige wall"]`)
	v.click("#tab-outfit")
	v.click(`[data-slot="coat"]`)
	v.click(`[data-param="outfit.coat.type"] input[value="jacket"]`)
	v.click(`[data-param="outfit.coat.color"] input[value="red"]`)
	v.click(`[data-slot="bottom"]`)
	v.click("#outfit-fields .slot-head button") // take the skirt off
	v.until("the caption says it", `['bob blonde hair', 'a beige wall', 'red jacket'].every(x => document.querySelector('#caption').textContent.includes(x)) && !document.querySelector('#caption').textContent.includes('skirt')`)
	if n := get[int](v, `document.querySelectorAll('#caption mark').length`); n < 5 {
		t.Errorf("%d marks on the caption", n)
	}
	v.small()
	v.drawn()
	if got, want := v.fact("Prompt"), v.text("#caption"); got != strings.TrimSuffix(want, "\u200b") {
		t.Errorf("drawn from %q, the caption was %q", got, want)
	}
	v.click("#tab-outfit")
	v.click(`[data-slot="shoes"]`)
	v.fill("#outfit-fields .slot-editor > .field:last-child input", "muddy green wellingtons")
	v.until("words of one's own are in the caption", `document.querySelector('#caption').textContent.includes('muddy green wellingtons')`)
	v.click("#shuffle")
	v.until("another person", `!document.querySelector('#caption').textContent.includes('wellingtons')`)
	v.click("#clear")
	v.until("nothing is said", `document.querySelector('#caption').textContent === 'Nothing is said yet.'`)
}

// Who begins by writing is not given the figure that stands there as an example; one that
// was chosen stays.
func pageDrawsWhatIsWritten(t *testing.T, v *tab) {
	v.until("an example is there", `document.querySelector('#caption').textContent.includes('female')`)
	v.click("#tab-text")
	v.fill("#prompt", "an old man in a suit")
	v.until("it is all that is said", `document.querySelector('#caption').textContent.replace('\u200b', '') === 'an old man in a suit'`)
	v.click("#tab-body")
	v.click(`[data-param="body.shape"] input[value="slim"]`)
	v.until("both are said", `document.querySelector('#caption').textContent.replace('\u200b', '') === 'slim, an old man in a suit'`)
	v.click("#tab-text")
	v.fill("#prompt", "a child")
	v.until("what was chosen stays", `document.querySelector('#caption').textContent.replace('\u200b', '') === 'slim, a child'`)
}

func pageMarksText(t *testing.T, v *tab) {
	v.say("Ça va: a young woman with curly red hair in a denim jacket over a white t-shirt 👗")
	mark := func(text, group, said string) string {
		return fmt.Sprintf(`[...document.querySelectorAll('#backdrop mark')].some(m => m.textContent.includes(%q) && m.dataset.name === %q && m.dataset.said.includes(%q))`, text, group, said)
	}
	v.until("hair is marked", mark("curly red hair", "hair", "color: red"))
	v.until("the jacket is marked", mark("denim jacket", "coats", "material: denim"))
	v.until("the shirt is marked", mark("white t-shirt", "tops", "color: white"))
	if text := v.text("#backdrop"); strings.TrimSuffix(text, "\u200b") != get[string](v, `document.querySelector('#prompt').value`) {
		t.Errorf("the marks stand on another text: %q", text)
	}
	if tokens := v.text("#tokens"); !strings.HasSuffix(tokens, " tokens") {
		t.Errorf("tokens: %q", tokens)
	}
	// What a mark is shows where it is pointed at, and its entry in the list finds it in the text.
	at := get[[]float64](v, `(() => { const r = [...document.querySelectorAll('#backdrop mark')].find(m => m.dataset.name === 'coats').getBoundingClientRect(); return [r.x + 20, r.y + 8] })()`)
	v.mouse(chromedp.MouseMoved, at[0], at[1])
	v.until("a tip", `!document.querySelector('#tip').hidden && document.querySelector('#tip').textContent.startsWith('coats')`)
	v.clickOn("the list's entry", `[...document.querySelectorAll('#legend button')].find(b => b.querySelector('strong').textContent === 'tops')`)
	v.until("the words are selected", `document.activeElement.id === 'prompt' && document.activeElement.value.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd).includes('white t-shirt')`)
	v.fill("#prompt", strings.Repeat("a red woolen coat, ", 40))
	v.until("windows are told", `/in \d windows/.test(document.querySelector('#tokens').textContent)`)
	v.js(`document.querySelector('.more').open = true; const x = document.querySelector('#long_prompt'); x.value = 'truncate'; x.dispatchEvent(new Event('change'))`)
	v.until("what is cut is told", `document.querySelector('#cut').textContent.includes('red woolen coat')`)
}

func pageCancels(t *testing.T, v *tab) {
	v.say("a headshot")
	v.small()
	v.fill("#width", "320")
	v.fill("#height", "320")
	v.fill("#steps", "500")
	v.click("#draw")
	v.until("it is being drawn", `document.querySelector('#stage')?.textContent === 'Drawing' && document.querySelector('#progress').value > 0`)
	v.until("a sketch of it is seen", `document.querySelector('#view .sketch:not([hidden])')?.naturalWidth > 0 && document.querySelector('#gallery .running img')?.naturalWidth > 0`)
	// A reload does not lose it.
	v.reload()
	v.until("it goes on", `!!document.querySelector('#gallery .running')`)
	v.click("#gallery .running")
	v.press("Cancel")
	v.until("it is gone", `!document.querySelector('#gallery button') && document.querySelector('#view').className === 'nothing'`)
	v.until("it is said", `document.querySelector('#say').textContent === 'Cancelled'`)
	if text := v.text("#alert"); text != "" {
		t.Errorf("an alert: %q", text)
	}
}

func pageShowsErrorsWhereTheyBelong(t *testing.T, v *tab) {
	v.expect("the server responded with a status of 400")
	v.say("a headshot")
	v.small()
	at := func(param, text string) string {
		return fmt.Sprintf(`(() => { const f = document.querySelector('[data-param=%q]'); const p = f.querySelector('.error'); return !p.hidden && p.textContent.includes(%q) && f.contains(document.activeElement) && document.activeElement.getAttribute('aria-invalid') === 'true' && document.activeElement.getAttribute('aria-errormessage') === p.id })()`, param, text)
	}
	v.fill("#width", "65")
	v.click("#draw")
	v.until("the size's error is at the size", at("size", "multiples of 8"))
	v.until("it is in sight", `(() => { const r = document.querySelector('[data-param=size] .error').getBoundingClientRect(); const top = document.elementFromPoint(r.x + 4, r.y + 4); return !!top?.closest('[data-param=size]') })()`)
	v.fill("#width", "64")
	v.fill("#steps", "5000")
	v.click("#draw")
	v.until("the steps' error is at the steps", at("num_inference_steps", "1000"))
	if get[bool](v, `!document.querySelector('[data-param=size] .error').hidden`) {
		t.Error("an old error is still there")
	}
	v.fill("#steps", "4")
	v.js(`document.querySelector('.more').open = true`)
	v.fill("#n", "99")
	v.js(`document.querySelector('.more').open = false`)
	v.click("#draw")
	v.until("a field that is folded away is opened", at("n", "1 to 10")+` && document.querySelector('.more').open`)
	v.fill("#n", "1")
	v.click("#tab-text")
	v.fill("#prompt", "")
	v.fill("#guidance_scale", "2")
	v.drawn()
	if n := get[int](v, `document.querySelectorAll('.error:not([hidden]), [aria-invalid=true]').length`); n != 0 {
		t.Errorf("%d errors after an image", n)
	}
}

func pageDrawsWithLoRAs(t *testing.T, v *tab) {
	v.say("a headshot")
	v.small()
	v.js(`document.querySelector('#keepSeed').click()`)
	plain := v.drawn()
	pick := func(name string) {
		v.js(`document.querySelector('.more').open = true`)
		v.until(name+" is offered", fmt.Sprintf(`[...document.querySelector('#lora-add').options].some(o => o.value === %q)`, name))
		v.js(fmt.Sprintf(`const x = document.querySelector('#lora-add'); x.value = %q; x.dispatchEvent(new Event('change'))`, name))
	}
	pick("some/style")
	v.until("one is chosen", `document.querySelectorAll('#loras li').length === 1 && ![...document.querySelector('#lora-add').options].some(o => o.value === 'some/style')`)
	styled := v.drawn()
	if styled == plain || v.fact("LoRAs") != "some/style" {
		t.Errorf("the image with a LoRA is that without, or says %q", v.fact("LoRAs"))
	}
	pick("portrait")
	v.fill("#loras li:nth-child(2) input", "-0.5")
	v.js(`document.querySelector('#loras li:nth-child(2) input').dispatchEvent(new Event('change'))`)
	if v.drawn() == styled || v.fact("LoRAs") != "some/style, portrait -0.5" {
		t.Errorf("the image with two says %q", v.fact("LoRAs"))
	}
	v.click("#loras li:nth-child(2) button")
	v.click("#loras li button")
	v.until("none is chosen", `document.querySelectorAll('#loras li').length === 0`)
	if v.drawn() != plain {
		t.Error("without LoRAs the image is another one")
	}
}

func pageKeepsImages(t *testing.T, v *tab) {
	v.say("a headshot")
	v.small()
	first := v.drawn()
	seed := v.fact("Seed")
	v.drawn()
	v.reload()
	v.finished(2)
	v.click("#gallery li:nth-child(2) button")
	if v.digest() != first || v.fact("Seed") != seed || v.fact("Prompt") != "a headshot" || v.fact("Steps") != "4" || v.fact("Size") != "64 × 64" {
		t.Error("the gallery has not kept the image with what it was drawn from")
	}
	if get[string](v, `document.querySelector('#prompt').value`) != "a headshot" {
		t.Error("the form has not been kept")
	}
	v.fill("#steps", "9")
	v.press("Use these settings")
	v.until("the settings are back", fmt.Sprintf(`document.querySelector('#steps').value === '4' && document.querySelector('#seed').value === %q`, seed))
	v.press("Delete")
	v.finished(1)
	v.reload()
	v.finished(1)
	if v.digest() == first {
		t.Error("the image is still there")
	}
	dir := t.TempDir()
	v.downloadsTo(dir)
	v.press("Download")
	want := v.digest()
	await(t, "the file is there", func() bool {
		files, err := filepath.Glob(filepath.Join(dir, "cosmicman-*.png"))
		return err == nil && len(files) == 1 && digestOf(t, files[0]) == want
	})
}

func pageDrawsVariations(t *testing.T, v *tab) {
	v.say("a headshot")
	v.small()
	first := v.drawn()
	v.press("Variation")
	v.finished(2)
	if v.digest() == first || v.text("#view summary") != "A variation" || v.fact("Size") != "64 × 64" {
		t.Errorf("no variation: %q, %q", v.text("#view summary"), v.fact("Size"))
	}
}

func pagePaints(t *testing.T, v *tab) {
	v.say("a headshot")
	v.small()
	v.fill("#width", "128")
	v.fill("#height", "128")
	first := v.drawn()
	v.press("Paint over")
	at := get[[]float64](v, `(() => { const c = document.querySelector('.mask'); c.scrollIntoView({block: 'center'}); const r = c.getBoundingClientRect(); return [r.x, r.y, r.width, r.height] })()`)
	drag := func(kind cdpinput.DispatchMouseEventType, x, y float64) { v.mouse(kind, at[0]+x*at[2], at[1]+y*at[3]) }
	drag(chromedp.MousePressed, .3, .3)
	drag(chromedp.MouseMoved, .5, .3)
	drag(chromedp.MouseMoved, .7, .3)
	drag(chromedp.MouseReleased, .7, .3)
	// painted counts pixels of a part of the canvas, in shares of its sides; a copy is read, since the canvas is for drawing.
	painted := func(x, y, width, height float64) int {
		return get[int](v, fmt.Sprintf(`(() => { const m = document.querySelector('.mask'); const c = new OffscreenCanvas(m.width, m.height).getContext('2d', {willReadFrequently: true}); c.drawImage(m, 0, 0); return c.getImageData(%g * m.width, %g * m.height, %g * m.width, %g * m.height).data.filter((a, i) => i %% 4 === 3 && a > 0).length })()`, x, y, width, height))
	}
	if painted(.3, .28, .4, .04) < 150 || painted(0, .55, 1, .4) != 0 {
		t.Error("the stroke is not where it was painted")
	}
	// By the keyboard: the brush goes down from the last point and paints; then that is taken back.
	v.focus(".mask")
	for range 12 {
		v.keys(kb.ArrowDown)
	}
	v.keys(" ")
	if painted(0, .55, 1, .4) == 0 {
		t.Error("the keyboard has not painted")
	}
	v.keys("z")
	if painted(.3, .28, .4, .04) < 150 || painted(0, .55, 1, .4) != 0 {
		t.Error("not the last stroke alone was taken back")
	}
	v.press("Draw the painted area")
	v.finished(2)
	if v.digest() == first || v.text("#view summary") != "Painted over" || v.fact("Strength") != "1" || v.fact("Size") != "128 × 128" {
		t.Errorf("%q, strength %q, size %q", v.text("#view summary"), v.fact("Strength"), v.fact("Size"))
	}
	mask := get[[]int](v, kept+`.then(async all => { const b = await createImageBitmap(all[0].pictures.mask); const c = new OffscreenCanvas(b.width, b.height).getContext('2d', {willReadFrequently: true}); c.drawImage(b, 0, 0); const at = (x, y) => c.getImageData(x * b.width, y * b.height, 1, 1).data[3]; return [b.width, b.height, at(.5, .3), at(.5, .8)] })`)
	if fmt.Sprint(mask) != "[128 128 0 255]" {
		t.Errorf("the mask is %v, expected 128 by 128 pixels, transparent where it was painted", mask)
	}
	// The whole picture, without a stroke.
	v.press("Paint over")
	v.press("Redraw the whole image")
	v.finished(3)
	if v.fact("Strength") != "0.8" {
		t.Errorf("strength %q", v.fact("Strength"))
	}
}

func pageTakesOwnPictures(t *testing.T, v *tab) {
	v.say("a headshot")
	v.small()
	file := filepath.Join(t.TempDir(), "own.jpg")
	picture := image.NewRGBA(image.Rect(0, 0, 96, 64))
	for i := range picture.Pix {
		picture.Pix[i] = uint8(i * 7)
	}
	var data bytes.Buffer
	if err := jpeg.Encode(&data, picture, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	v.run(chromedp.SetUploadFiles("#own", []string{file}))
	v.finished(1)
	if v.text("#view summary") != "Your picture" || v.fact("Size") != "96 × 64" {
		t.Errorf("%q, %q", v.text("#view summary"), v.fact("Size"))
	}
	v.press("Variation")
	v.finished(2)
	if v.text("#view summary") != "A variation" || v.fact("Size") != "96 × 64" {
		t.Errorf("%q, %q", v.text("#view summary"), v.fact("Size"))
	}
	if err := os.WriteFile(file, []byte("no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	v.run(chromedp.SetUploadFiles("#own", []string{file}))
	v.until("it is told that this is none", `document.querySelector('#toast').textContent.includes('not a picture')`)
}

func pageTellsCallsThatWork(t *testing.T, v *tab) {
	v.say("it's a \"headshot\" of $HOME\nwith `ticks`")
	v.small()
	v.drawn()
	want := v.digest()
	v.press("Code")
	v.until("the calls are there", `document.querySelector('#calls').open`)
	curl := v.text("#call-curl code")
	if !strings.Contains(curl, v.url+"/v1/images/generations") {
		t.Errorf("not this server's address: %s", curl)
	}
	dir := t.TempDir()
	refused := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(curl, `"num_inference_steps": 4`, `"num_inference_steps": 0`, 1))
	refused.Dir = t.TempDir()
	if out, err := refused.CombinedOutput(); err != nil || !strings.Contains(string(out), "num_inference_steps") {
		t.Errorf("why it was refused is not told: %v\n%s", err, out)
	}
	command := exec.CommandContext(t.Context(), "sh", "-euc", curl)
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", curl, err, out)
	}
	if digestOf(t, filepath.Join(dir, "out.png")) != want {
		t.Error("the call draws another image")
	}
	v.click("#tab-python")
	python := v.text("#call-python code")
	for _, part := range []string{"base_url=\"" + v.url + "/v1\"", "client.images.generate(", `prompt="it's a \"headshot\" of $HOME\nwith ` + "`ticks`\"", `"num_inference_steps": 4`, `"seed": ` + v.fact("Seed")} {
		if !strings.Contains(python, part) {
			t.Errorf("%s is not in\n%s", part, python)
		}
	}
	v.run(chromedp.KeyEvent(kb.Escape))
	v.until("it is closed", `!document.querySelector('#calls').open`)
	// Of a variation, with the picture beside.
	v.press("Variation")
	v.finished(2)
	want = v.digest()
	v.press("Code")
	v.downloadsTo(dir)
	v.click("#call-files button")
	await(t, "the picture is there", func() bool { return digestOf(t, filepath.Join(dir, "image.png")) != "" })
	command = exec.CommandContext(t.Context(), "sh", "-euc", v.text("#call-curl code"))
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if digestOf(t, filepath.Join(dir, "out.png")) != want {
		t.Error("the variation's call draws another image")
	}
}

func pageWorksByKeyboard(t *testing.T, v *tab) {
	v.keys(kb.Tab)
	if v.text(":focus") != "Skip to Draw" {
		t.Errorf("the first stop is %q", v.text(":focus"))
	}
	v.tabTo("tab-body")
	v.keys(kb.ArrowRight, kb.ArrowRight)
	if v.focused() != "tab-text" || !get[bool](v, `document.querySelector('#panel-text').checkVisibility() && document.querySelector('#tab-text').getAttribute('aria-selected') === 'true'`) {
		t.Error("arrows do not lead to the text")
	}
	v.keys(kb.Home)
	v.keys(kb.Tab, kb.Tab, kb.Tab)
	before := get[string](v, `document.activeElement.value`)
	v.keys(kb.ArrowRight)
	if get[string](v, `document.activeElement.name`) == "" || get[string](v, `document.activeElement.value`) == before {
		t.Error("arrows do not go through the choices")
	}
	outline := get[string](v, `getComputedStyle(document.activeElement.nextElementSibling).outlineStyle`)
	if outline != "solid" {
		t.Errorf("what has the focus is not shown: outline %q", outline)
	}
	for id, text := range map[string]string{"width": "64", "height": "64", "steps": "4"} {
		v.js(fmt.Sprintf(`document.getElementById(%q).focus(); document.activeElement.select()`, id))
		v.typed(text)
		v.keys(kb.Tab)
	}
	v.js(`document.querySelector('.skip').focus()`)
	v.keys(kb.Enter)
	v.keys(kb.Tab)
	v.focus("#draw")
	v.keys(kb.Enter)
	v.finished(1)
	v.run(chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	v.finished(2)
	v.until("what has happened is said", `document.querySelector('#say').textContent === 'The image is done'`)
	second := v.fact("Seed")
	v.js(`document.querySelector('#view .actions button').focus()`)
	v.keys(kb.ArrowRight)
	v.until("arrows go through the images", fmt.Sprintf(`![...document.querySelectorAll('#view dd')].some(d => d.textContent === %q)`, second))
}

func pageIsLightAndDark(t *testing.T, v *tab) {
	paper := func() string { return get[string](v, `getComputedStyle(document.body).backgroundColor`) }
	v.scheme("light")
	light := paper()
	v.scheme("dark")
	dark := paper()
	if light == dark {
		t.Fatalf("one paper for both: %s", light)
	}
	v.click("#theme")
	if paper() != light {
		t.Error("the button does not change the theme")
	}
	v.reload()
	if paper() != light {
		t.Error("the theme is not kept")
	}
	v.click("#theme")
	if paper() != dark {
		t.Error("the button does not change the theme back")
	}
}

func pageNamesItsControls(t *testing.T, v *tab) {
	v.say("a headshot")
	v.small()
	v.drawn()
	v.press("Paint over")
	for _, panel := range []string{"body", "outfit", "text"} {
		v.click("#tab-" + panel)
		nodes := call(v, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
		controls := 0
		for _, n := range nodes {
			if n.Ignored || n.Role == nil || n.BackendDOMNodeID == 0 {
				continue
			}
			var role, name string
			if err := json.Unmarshal(n.Role.Value, &role); err != nil {
				continue
			}
			switch role {
			case "button", "textbox", "radio", "checkbox", "slider", "combobox", "spinbutton", "tab", "tabpanel", "searchbox", "link", "image", "dialog", "application", "region", "main", "group", "radiogroup", "progressbar":
			default:
				continue
			}
			if n.Name != nil {
				_ = json.Unmarshal(n.Name.Value, &name) // no name is what is looked for
			}
			controls++
			if strings.TrimSpace(name) == "" && role != "main" && role != "group" {
				t.Errorf("%s: a %s without a name (node %s)", panel, role, n.NodeID)
			}
		}
		if controls < 20 {
			t.Errorf("%s: %d controls", panel, controls)
		}
	}
	if doubled := get[[]string](v, `[...document.querySelectorAll('[id]')].map(x => x.id).filter((id, i, all) => all.indexOf(id) !== i)`); len(doubled) > 0 {
		t.Errorf("ids that two things have: %q", doubled)
	}
}

func pageFitsScreens(t *testing.T, v *tab) {
	v.say("a headshot")
	v.small()
	v.drawn()
	for _, width := range []int64{320, 360, 390, 640, 768, 1024, 1280, 1920} {
		call(v, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 800, DeviceScaleFactor: 1, Mobile: width < 700})
		for _, panel := range []string{"body", "outfit", "text"} {
			v.click("#tab-" + panel)
			if wide := get[int64](v, `document.documentElement.scrollWidth`); wide > width {
				t.Errorf("%s: %d pixels wide on a screen of %d", panel, wide, width)
			}
		}
		if !get[bool](v, `(() => { const r = document.querySelector('#draw').getBoundingClientRect(); return r.bottom <= innerHeight && r.right <= innerWidth && r.height >= 40 })()`) {
			t.Errorf("Draw is not on a screen of %d", width)
		}
	}
}

func pageAsksWhereEventsDoNotCome(t *testing.T, v *tab) {
	v.expect("net::ERR_BLOCKED_BY_CLIENT")
	call(v, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{{URLPattern: v.url + "/v1/jobs/*/events", Block: true}}})
	v.say("a headshot")
	v.small()
	v.drawn()
}

func pageDrawsSeveral(t *testing.T, v *tab) {
	v.say("a headshot")
	v.small()
	v.js(`document.querySelector('.more').open = true`)
	v.fill("#n", "3")
	v.click("#draw")
	v.click("#draw")
	v.finished(6)
	seeds := get[[]uint64](v, kept+`.then(all => all.map(x => x.seed))`)
	if len(seeds) != 6 || seeds[0]+1 != seeds[1] || seeds[1]+1 != seeds[2] {
		t.Errorf("seeds %d", seeds)
	}
}

func pageTakesTextAsText(t *testing.T, v *tab) {
	const nasty = `<img src=x onerror=alert(1)><script>alert(2)</script> </textarea> & "quotes" ` + "\u202e" + `right to left`
	v.say(nasty)
	v.small()
	v.drawn()
	if v.fact("Prompt") != nasty || get[int](v, `document.querySelectorAll('script:not([src]), #view img[src="x"]').length`) != 0 {
		t.Errorf("the text has become something else: %q", v.fact("Prompt"))
	}
	v.reload()
	v.finished(1)
	if get[string](v, `document.querySelector('#prompt').value`) != nasty {
		t.Error("the text is not kept as it is")
	}
}

// TestPageOutlivesItsServer kills a server that draws, and starts it anew at its address.
func TestPageOutlivesItsServer(t *testing.T) {
	model, data := tiny(t, "tiny-sd"), t.TempDir()
	s := serving(t, data, "--model", model)
	v := visit(t, browser(t), s.url)
	v.expect("net::ERR_")
	v.say("a headshot")
	v.small()
	v.fill("#width", "256")
	v.fill("#height", "256")
	v.fill("#steps", "40")
	v.click("#draw")
	v.until("it is being drawn", `document.querySelector('#progress')?.value > 0`)
	s.kill(t)
	v.click("#status")
	v.until("it is told", `document.querySelector('#status').textContent === 'Server not reached'`)
	v.click("#draw")
	v.until("why nothing is drawn is told", `document.querySelector('#alert').textContent.includes('cannot be reached')`)
	again := startProcess(t, "cosmicman", "serve", "--addr", strings.TrimPrefix(s.url, "http://"), "--data", data, "--library", library(t), "--model", model)
	v.finished(1)
	v.until("the server is back", `document.querySelector('#status').textContent === 'Ready'`)
	again.kill(t)
}

// TestPageAsksForTheKey visits a server that wants one.
func TestPageAsksForTheKey(t *testing.T) {
	t.Setenv("COSMICMAN_API_KEYS", "ann:secret-of-ann")
	s := serving(t, t.TempDir(), "--model", tiny(t, "tiny-sd"))
	b := browser(t)
	v := arrive(t, b, s.url, "the server responded with a status of 401")
	v.until("a key is asked for", `document.querySelector('#key-dialog').open`)
	v.fill("#key", "wrong")
	v.click(`#key-dialog button[value="use"]`)
	v.until("it is told that the key is wrong", `document.querySelector('#key-dialog').open && document.querySelector('#key-why').textContent === 'That key was not accepted.'`)
	v.fill("#key", "secret-of-ann")
	v.focus("#key")
	v.keys(kb.Enter)
	v.until("the page is ready", `document.documentElement.dataset.ready === 'true' && !document.querySelector('#key-dialog').open`)
	v.until("what is chosen is understood", `document.querySelectorAll('#caption mark').length > 3`)
	v.say("a headshot")
	v.small()
	v.drawn()
	if get[string](v, `JSON.stringify(localStorage)`) == "" || strings.Contains(get[string](v, `JSON.stringify(localStorage)`), "secret-of-ann") {
		t.Error("the key is kept beyond the tab")
	}
	v.press("Code")
	if code := v.text("#call-curl code") + v.text("#call-python code"); strings.Contains(code, "secret-of-ann") || strings.Count(code, "COSMICMAN_API_KEY") != 2 || get[bool](v, `document.querySelector('#call-key').hidden`) {
		t.Errorf("the calls do not take the key from the environment:\n%s", code)
	}
	v.run(chromedp.KeyEvent(kb.Escape))
	v.reload()
	v.finished(1)
	v.click("#forget")
	v.until("it is asked for again", `document.querySelector('#key-dialog').open`)
}

// TestPageOfNoModelTellsHowToGetOne visits a server that was started without a model.
func TestPageOfNoModelTellsHowToGetOne(t *testing.T) {
	url := servingNothing(t)
	b := browser(t)
	v := arrive(t, b, url, "the server responded with a status of 503")
	v.until("the way to a model is told", `document.querySelector('#setup').checkVisibility() && !document.querySelector('#main').checkVisibility()`)
	for _, part := range []string{"models pull cosmicman-sd\n", "models new --arch tiny-sd"} {
		if !strings.Contains(v.text("#setup"), part) {
			t.Errorf("%s is not among the commands", part)
		}
	}
}

// TestPageWaitsForWorkers visits a front end whose workers are not there yet.
func TestPageWaitsForWorkers(t *testing.T) {
	data := t.TempDir()
	p := startProcess(t, "cosmicman", "serve", "--addr", "127.0.0.1:0", "--data", data, "--no-worker")
	url := ""
	await(t, "the server is there", func() bool {
		if found := servesOn.FindStringSubmatch(p.out.String()); found != nil {
			url = found[1]
		}
		return url != ""
	})
	v := arrive(t, browser(t), url, "the server responded with a status of 503")
	v.until("it is told that nobody draws", `document.querySelector('#status').textContent.startsWith('Not ready') && document.querySelector('#main').checkVisibility()`)
	startProcess(t, "cosmicman", "worker", "--data", data, "--library", library(t), "--model", tiny(t, "tiny-sd"))
	v.until("it is ready by itself", `document.querySelector('#status').textContent === 'Ready' && document.querySelector('#model').value === 'tiny'`)
	v.say("a headshot")
	v.small()
	v.drawn()
}
