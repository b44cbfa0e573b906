export interface Track {
  id: string;
  title: string;
  artist: string;
  seconds: number;
}

export type Order = 'title' | 'artist' | 'length';

export class PlaylistError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PlaylistError';
  }
}

export class Playlist {
  private readonly tracks = new Map<string, Track>();
  private current = 0;

  constructor(readonly name: string, tracks: Track[] = []) {
    for (const track of tracks) {
      this.add(track);
    }
  }

  get size(): number {
    return this.tracks.size;
  }

  get totalSeconds(): number {
    let total = 0;
    for (const track of this.tracks.values()) {
      total += track.seconds;
    }
    return total;
  }

  add(track: Track): void {
    if (this.tracks.has(track.id)) {
      throw new PlaylistError(`${track.title} is in ${this.name} already`);
    }
    this.tracks.set(track.id, track);
  }

  remove(id: string): boolean {
    return this.tracks.delete(id);
  }

  next(): Track | undefined {
    const tracks = [...this.tracks.values()];
    if (tracks.length === 0) {
      return undefined;
    }
    this.current = (this.current + 1) % tracks.length;
    return tracks[this.current];
  }

  sorted(order: Order): Track[] {
    const tracks = [...this.tracks.values()];
    switch (order) {
      case 'title':
        return tracks.sort((a, b) => a.title.localeCompare(b.title));
      case 'artist':
        return tracks.sort((a, b) => a.artist.localeCompare(b.artist));
      case 'length':
        return tracks.sort((a, b) => a.seconds - b.seconds);
    }
  }
}

export function formatLength(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const rest = String(seconds % 60).padStart(2, '0');
  return `${minutes}:${rest}`;
}

export function describe(playlist: Playlist): string {
  const lines = playlist.sorted('title').map((track) => {
    return `${track.title} by ${track.artist} (${formatLength(track.seconds)})`;
  });
  return [`${playlist.name}: ${playlist.size} tracks`, ...lines].join('\n');
}
