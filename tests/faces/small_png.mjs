// Makes a screenshot small enough to live in a repository: at most 256 colors, each pixel one byte.

import { crc32 as zlibCrc, deflateSync, inflateSync } from 'node:zlib';

const TABLE = Array.from({ length: 256 }, (_, number) => {
  let value = number;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

function crc(bytes) {
  if (zlibCrc) return zlibCrc(bytes);
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ TABLE[(value ^ byte) & 0xff];
  return (value ^ 0xffffffff) >>> 0;
}

/** Undo the filters of an 8-bit RGB or RGBA image without interlacing: its pixels, `channels` bytes each. */
function pixels(raw, width, height, channels) {
  const stride = width * channels;
  const out = Buffer.alloc(stride * height);
  for (let row = 0; row < height; row += 1) {
    const filter = raw[row * (stride + 1)];
    for (let at = 0; at < stride; at += 1) {
      const here = row * stride + at;
      const left = at >= channels ? out[here - channels] : 0;
      const up = row ? out[here - stride] : 0;
      const corner = row && at >= channels ? out[here - stride - channels] : 0;
      const guess = left + up - corner;
      const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
      const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
      out[here] = raw[row * (stride + 1) + 1 + at] + [0, left, up, (left + up) >> 1, paeth][filter];
    }
  }
  return out;
}

function chunk(kind, body) {
  const named = Buffer.concat([Buffer.from(kind, 'latin1'), body]);
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  size.writeUInt32BE(body.length);
  sum.writeUInt32BE(crc(named));
  return Buffer.concat([size, named, sum]);
}

/** Give a PNG with a palette that looks the same as `png`, to an eye. */
export function small(png) {
  const [width, height, channels] = [png.readUInt32BE(16), png.readUInt32BE(20), png[25] === 6 ? 4 : 3];
  const data = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  const source = pixels(inflateSync(Buffer.concat(data)), width, height, channels);
  // Round colors more and more coarsely until a palette holds them.
  for (let step = 1; ; step *= 2) {
    const palette = new Map();
    const rows = Buffer.alloc((width + 1) * height);
    for (let number = 0; number < width * height && palette.size <= 256; number += 1) {
      const round = (byte) => Math.min(255, Math.round(byte / step) * step);
      const at = number * channels;
      const color = (round(source[at]) << 16) | (round(source[at + 1]) << 8) | round(source[at + 2]);
      if (!palette.has(color)) palette.set(color, palette.size);
      rows[number + Math.floor(number / width) + 1] = palette.get(color);
    }
    if (palette.size > 256) continue;
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 3, 0, 0, 0], 8);
    const colors = Buffer.from([...palette.keys()].flatMap((color) => [color >> 16, (color >> 8) & 255, color & 255]));
    const parts = [chunk('IHDR', header), chunk('PLTE', colors), chunk('IDAT', deflateSync(rows, { level: 9 }))];
    return Buffer.concat([png.subarray(0, 8), ...parts, chunk('IEND', Buffer.alloc(0))]);
  }
}
