/** The sign of the product. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden className="shrink-0">
      <rect width="32" height="32" rx="8" className="fill-accent" />
      <g className="stroke-on-accent" fill="none" strokeWidth="2" strokeLinejoin="round">
        <path d="M8 11.500A2.500 2.500 0 0 1 10.500 9h10a2.500 2.500 0 0 1 2.500 2.500V13" />
        <path d="M8 11.500V21a2 2 0 0 0 2 2h12.500a1.500 1.500 0 0 0 1.500-1.500v-7A1.500 1.500 0 0 0 22.500 13H10a2 2 0 0 1-2-1.500Z" />
      </g>
      <circle cx="19.800" cy="18" r="1.500" className="fill-on-accent" />
    </svg>
  );
}
