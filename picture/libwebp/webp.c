/* The two calls of libwebp that package picture makes, on buffers from malloc. */
#include <stdint.h>
#include <stdlib.h>

#include "src/webp/decode.h"
#include "src/webp/encode.h"

/* encode returns a lossy file and its size, or NULL. rgba has straight alpha. */
uint8_t* encode(const uint8_t* rgba, int width, int height, float quality, int method, uint32_t* size) {
  WebPConfig config;
  WebPPicture picture;
  WebPMemoryWriter writer;
  int ok;

  if (!WebPConfigInit(&config) || !WebPPictureInit(&picture)) return NULL;
  config.quality = quality;
  config.method = method;
  if (!WebPValidateConfig(&config)) return NULL;
  picture.width = width;
  picture.height = height;
  WebPMemoryWriterInit(&writer);
  picture.writer = WebPMemoryWrite;
  picture.custom_ptr = &writer;
  ok = WebPPictureImportRGBA(&picture, rgba, 4 * width) && WebPEncode(&config, &picture);
  WebPPictureFree(&picture);
  if (!ok) {
    WebPMemoryWriterClear(&writer);
    return NULL;
  }
  *size = (uint32_t)writer.size;
  return writer.mem;
}

/* decode writes a still image's pixels into rgba, of width * height * 4 bytes, and
   returns 1, or 0 where the file is damaged or of another size. */
int decode(const uint8_t* data, uint32_t size, uint8_t* rgba, int width, int height) {
  int w, h;
  if (!WebPGetInfo(data, size, &w, &h) || w != width || h != height) return 0;
  return WebPDecodeRGBAInto(data, size, rgba, (size_t)width * height * 4, 4 * width) != NULL;
}
