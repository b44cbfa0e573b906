/** A file to try Midfill on: `make demo` asks for the body of `remove`. */

export class Listeners<T> {
  private readonly listeners = new Set<(value: T) => void>();

  add(listener: (value: T) => void): void {
    this.listeners.add(listener);
  }

  remove(listener: (value: T) => void): void {

  }

  emit(value: T): void {
    for (const listener of this.listeners) {
      listener(value);
    }
  }
}
