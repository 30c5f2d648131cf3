/* Decoding with libjpeg-turbo, row by row, as package picture calls it: open, then row
   as often as the image is high. One image an instance, so nothing is freed. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "jpeglib.h"
#include "jerror.h"

static struct jpeg_decompress_struct image;
static struct jpeg_error_mgr errors;

/* An error ends the instance: the caller is told of the trap. */
static void give_up(j_common_ptr c) { __builtin_trap(); }

/* Warnings tell of damage, but for those of odd headers. */
static void warned(j_common_ptr c, int level) {
  if (level >= 0) return;
  switch (c->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
      return;
  }
  give_up(c);
}

static void say_nothing(j_common_ptr c) {}

/* open reads the header of a file and returns where row will put pixels, RGBA; NULL
   where the file is of another size, or has another number of channels than 1 or 3. */
uint8_t* open_image(const uint8_t* data, uint32_t size, uint32_t width, uint32_t height) {
  image.err = jpeg_std_error(&errors);
  errors.error_exit = give_up;
  errors.emit_message = warned;
  errors.output_message = say_nothing;
  jpeg_create_decompress(&image);
  jpeg_mem_src(&image, data, size);
  jpeg_read_header(&image, TRUE);
  if (image.image_width != width || image.image_height != height) return NULL;
  if (image.num_components != 1 && image.num_components != 3) return NULL;
  image.out_color_space = JCS_EXT_RGBA;
  jpeg_start_decompress(&image);
  return (uint8_t*)image.mem->alloc_large((j_common_ptr)&image, JPOOL_IMAGE, (size_t)width * 4);
}

/* next_row decodes one row to where open_image said. */
int next_row(uint8_t* pixels) {
  JSAMPROW rows[1] = {pixels};
  return jpeg_read_scanlines(&image, rows, 1) == 1;
}

/* finish reads the file's end; what is missing there is damage too. */
int finish(void) { return jpeg_finish_decompress(&image); }

/* unsupported reports whether what ended the instance was a file that is whole, but of a
   kind that libjpeg-turbo does not read. */
int unsupported(void) {
  switch (errors.msg_code) {
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CCIR601_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_SOF_UNSUPPORTED:
      return 1;
  }
  return 0;
}
