import { chromium, type Browser } from 'playwright-core';

/** Debian's Chromium: playwright brings none, and is to fetch none. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
    timeout: 0,
  });
}
