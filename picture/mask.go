package picture

import "image"

// MaskOfAlpha is the mask that OpenAI's edits mean: where img is fully transparent
// the image is repainted, white, and black elsewhere.
func MaskOfAlpha(img *image.NRGBA) *image.NRGBA {
	out := image.NewNRGBA(image.Rect(0, 0, img.Rect.Dx(), img.Rect.Dy()))
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			p := out.Pix[y*out.Stride+4*x:][:4]
			if img.Pix[y*img.Stride+4*x+3] == 0 {
				p[0], p[1], p[2] = 255, 255, 255
			}
			p[3] = 255
		}
	}
	return out
}
