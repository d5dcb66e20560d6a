// A scroll bar for more rows than a browser can be tall.

export const SPACER_MAX = 8_000_000; // Firefox ends at some 17.9 million pixels, Chromium at 33.5

export class Viewport {
	/** px from the top of all rows, the true one */
	top = 0;
	private scroll = 0; // as it was set last

	constructor(
		readonly rowHeight: number,
		public rows = 0,
		public height = 0,
	) {}

	get full(): number {
		return this.rows * this.rowHeight;
	}
	get spacer(): number {
		return Math.min(this.full, SPACER_MAX);
	}
	get most(): number {
		return Math.max(0, this.full - this.height);
	}
	private get mostScroll(): number {
		return Math.max(0, this.spacer - this.height);
	}
	get proportional(): boolean {
		return this.full > SPACER_MAX;
	}
	first(): number {
		return Math.floor(this.top / this.rowHeight);
	}
	visible(): number {
		return Math.max(1, Math.floor(this.height / this.rowHeight));
	}

	/** The thumb was moved; the position that was set by us is not news. */
	scrolled(scrollTop: number): boolean {
		if (Math.abs(scrollTop - this.scroll) < 1) return false;
		this.scroll = scrollTop;
		this.top = this.proportional
			? this.mostScroll
				? Math.round((scrollTop / this.mostScroll) * this.most)
				: 0
			: scrollTop;
		this.clamp();
		return true;
	}

	/** Where the thumb belongs. */
	scrollTop(): number {
		this.clamp();
		this.scroll = this.proportional ? Math.round((this.top / this.most) * this.mostScroll) : this.top;
		return this.scroll;
	}

	/** Moves so that a row is seen whole. */
	show(row: number, centre = false): void {
		const y = row * this.rowHeight;
		if (y < this.top || y + this.rowHeight > this.top + this.height)
			this.top = centre
				? y - Math.floor(this.height / 2 / this.rowHeight) * this.rowHeight
				: y < this.top
					? y
					: y + this.rowHeight - this.height;
		this.clamp();
	}

	clamp(): void {
		this.top = Math.max(0, Math.min(this.top, this.most));
	}
}
