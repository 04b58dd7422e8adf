/** Words the list of the models that the server offers. Pure: knows neither VS Code nor requests. */

/** One of the server's choices (`aix.models`); one with `get` must be downloaded first. */
export interface Choice {
  model: string;
  label: string;
  about: string;
  get?: string;
  gb?: number;
  licence?: string;
}

export interface Models {
  current: string;
  choices: Choice[];
}

export interface Entry {
  label: string;
  description: string;
  detail: string;
  choice: Choice | undefined;
}

/** The entries of the list; the last, which has no choice, is for a model that is not in it. */
export function entries(models: Models): Entry[] {
  const made: Entry[] = models.choices.map((choice) => ({
    label: `${choice.get ? "$(cloud-download)" : "$(symbol-misc)"} ${choice.label}`,
    description: choice.model === models.current ? "in use" : "",
    detail: choice.about,
    choice,
  }));
  return [
    ...made,
    { label: "$(edit) Another…", description: "a folder, a GGUF file or a Hugging Face id", detail: "", choice: undefined },
  ];
}

/** The question before a download. */
export function question(choice: Choice): { message: string; detail: string; yes: string } {
  return {
    message: `Download ${choice.get}?`,
    detail: `About ${choice.gb} GB. Its licence: ${choice.licence}`,
    yes: "Agree and Download",
  };
}
