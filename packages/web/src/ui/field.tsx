interface FieldProps {
  /** Under which `Ask` gives what is typed. */
  readonly name: string;
  readonly label: string;
  readonly defaultValue?: string | undefined;
  readonly placeholder?: string;
  readonly required?: boolean;
  readonly maxLength?: number;
  /** @default false */
  readonly spellcheck?: boolean;
}

/** A line of text that a person types: names and paths, which no browser completes or corrects. */
export function Field({ label, ...input }: FieldProps) {
  return (
    <label class="field">
      {label}
      <input autocomplete="off" spellcheck={false} {...input} />
    </label>
  );
}
