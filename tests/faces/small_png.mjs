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

const BITS = [16, 8, 0];

/** Choose at most 256 colors: the most usual ones as they are, and of the rest one for each usual neighborhood. */
function chosen(counts) {
  const usual = [...counts].sort((one, other) => other[1] - one[1]).map(([color]) => color);
  const palette = new Set(usual.slice(0, 160));
  const neighborhoods = new Set();
  for (const color of usual) {
    const near = BITS.map((bit) => (color >> bit) & 0xf0).join();
    if (palette.size === 256) break;
    if (!neighborhoods.has(near)) palette.add(color);
    neighborhoods.add(near);
  }
  return [...palette];
}

function nearest(color, palette) {
  let [best, least] = [0, Infinity];
  palette.forEach((candidate, index) => {
    const away = BITS.reduce((sum, bit) => sum + (((color >> bit) & 255) - ((candidate >> bit) & 255)) ** 2, 0);
    if (away < least) [best, least] = [index, away];
  });
  return best;
}

/** Give a PNG with a palette that looks the same as `png`, to an eye. */
export function small(png) {
  const [width, height, channels] = [png.readUInt32BE(16), png.readUInt32BE(20), png[25] === 6 ? 4 : 3];
  const data = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  const source = pixels(inflateSync(Buffer.concat(data)), width, height, channels);
  const colorAt = (number) => source.readUIntBE(number * channels, 3);
  const counts = new Map();
  for (let number = 0; number < width * height; number += 1) {
    const color = colorAt(number);
    counts.set(color, (counts.get(color) ?? 0) + 1);
  }
  const palette = chosen(counts);
  const indexes = new Map(palette.map((color, index) => [color, index]));
  const rows = Buffer.alloc((width + 1) * height);
  for (let number = 0; number < width * height; number += 1) {
    const color = colorAt(number);
    if (!indexes.has(color)) indexes.set(color, nearest(color, palette));
    rows[number + Math.floor(number / width) + 1] = indexes.get(color);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const colors = Buffer.from(palette.flatMap((color) => BITS.map((bit) => (color >> bit) & 255)));
  const parts = [chunk('IHDR', header), chunk('PLTE', colors), chunk('IDAT', deflateSync(rows, { level: 9 }))];
  return Buffer.concat([png.subarray(0, 8), ...parts, chunk('IEND', Buffer.alloc(0))]);
}
