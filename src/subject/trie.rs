//! Wildcard patterns by token: which of them match a published subject.
//!
//! A node stands for the tokens before it; its literal children are found in one hash table
//! keyed (parent, token), its wildcards are fields. A final `*` or `>` is a field of the node
//! before it, so `foo.N.*` costs one node of its own. A walk visits a node at most once, and
//! only those whose path matches.
//!
//! ```text
//!   root ─foo─▶ ○ ─7──▶ ○        foo.7.*   = star_end of the node foo.7
//!               └─*──▶ ○ ─z─▶ ○  foo.*.z   = end of the node foo.*.z
//! ```

use crate::name;
use crate::pattern::Entry;
use crate::slab::{Cell, Slab, Slot};
use crate::table::Table;

/// Longest token that a node holds itself; with tag and length it fills 16 bytes.
const INLINE_MAX: usize = 14;

/// Where in its node a pattern ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With the node's own token.
    Here,
    /// With a `*` after it.
    Star,
    /// With a `>` after it.
    Tail,
    /// Nowhere: marks a vacant entry.
    Vacant,
}

/// A place in the trie: what a wildcard pattern comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) node: Slot<Node>,
    pub(crate) end: End,
}

/// The last token of a node's path.
#[derive(Clone, Copy)]
enum Token {
    Inline { len: u8, bytes: [u8; INLINE_MAX] },
    Long(Slot<LongToken>),
    Star,
    Root,
    Vacant,
}

/// One token path that some wildcard pattern begins with.
pub(crate) struct Node {
    token: Token,
    parent: Slot<Node>,
    /// The child that any token leads to.
    star: Slot<Node>,
    /// How many literal children.
    children: u32,
    /// The patterns that end here, one for each [`End`].
    here: Slot<Entry>,
    star_end: Slot<Entry>,
    tail: Slot<Entry>,
}

const _: () = assert!(size_of::<Node>() == 40);

/// A token too long for its node.
enum LongToken {
    Used(Box<[u8]>),
    Vacant(Slot<LongToken>),
}

/// One token of a published subject, ready for the walk.
struct Step {
    hash: u64,
    start: u32,
    end: u32,
}

/// What a walk needs besides the trie, kept between walks so that none allocates.
#[derive(Default)]
pub(crate) struct WalkSpace {
    steps: Vec<Step>,
    open: Vec<(Slot<Node>, u32)>,
}

/// All wildcard patterns of one index.
pub(crate) struct Trie {
    nodes: Slab<Node>,
    edges: Table<Node>,
    long_tokens: Slab<LongToken>,
    long_token_bytes: usize,
    hasher: ahash::RandomState,
}

const ROOT: Slot<Node> = Slot::from_number(0);

impl Trie {
    pub(crate) fn new(hasher: ahash::RandomState) -> Self {
        let mut nodes = Slab::new();
        let root = nodes.insert(Node::new(Token::Root, Slot::NIL));
        debug_assert_eq!(root, ROOT);
        Trie { nodes, edges: Table::new(), long_tokens: Slab::new(), long_token_bytes: 0, hasher }
    }

    /// Nodes, the root included.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.nodes.bytes() + self.edges.bytes() + self.long_tokens.bytes() + self.long_token_bytes
    }

    /// Whether there is no wildcard pattern at all.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes[ROOT].is_bare()
    }

    /// The place of a valid wildcard pattern; its nodes are made as needed.
    pub(crate) fn place(&mut self, pattern: &[u8]) -> Place {
        let mut node = ROOT;
        let mut tokens = name::tokens(pattern).peekable();
        while let Some(token) = tokens.next() {
            let is_last = tokens.peek().is_none();
            node = match token {
                b">" => return Place { node, end: End::Tail },
                b"*" if is_last => return Place { node, end: End::Star },
                b"*" => self.star_child(node),
                literal => self.literal_child(node, literal),
            };
        }
        Place { node, end: End::Here }
    }

    /// The pattern that stands at `place`, or [`Slot::NIL`].
    pub(crate) fn entry_mut(&mut self, place: Place) -> &mut Slot<Entry> {
        let node = &mut self.nodes[place.node];
        match place.end {
            End::Here => &mut node.here,
            End::Star => &mut node.star_end,
            End::Tail => &mut node.tail,
            End::Vacant => unreachable!("a live entry ends somewhere"),
        }
    }

    /// Takes the pattern away from `place`, with all nodes that only it needed.
    pub(crate) fn clear(&mut self, place: Place) {
        *self.entry_mut(place) = Slot::NIL;
        let mut node = place.node;
        while node != ROOT && self.nodes[node].is_bare() {
            node = self.remove_leaf(node);
        }
        if self.nodes.len() == 1 {
            // Only the root is left: taking it out and back lets the slab free its chunks.
            let root = self.nodes.remove(ROOT);
            self.nodes.insert(root);
        }
    }

    /// Appends the pattern that stands at `place` to `out`.
    pub(crate) fn write_pattern(&self, place: Place, out: &mut Vec<u8>) {
        let mut path = Vec::new();
        let mut at = place.node;
        while at != ROOT {
            path.push(at);
            at = self.nodes[at].parent;
        }
        for &node in path.iter().rev() {
            out.extend_from_slice(self.token(&self.nodes[node]));
            out.push(b'.');
        }
        match place.end {
            End::Here => drop(out.pop()),
            End::Star => out.push(b'*'),
            End::Tail => out.push(b'>'),
            End::Vacant => unreachable!("a live entry ends somewhere"),
        }
    }

    /// Appends every pattern that matches the published `subject` to `found`, in no order.
    pub(crate) fn matching(
        &self,
        subject: &[u8],
        space: &mut WalkSpace,
        found: &mut Vec<Slot<Entry>>,
    ) {
        // spec/client-protocol.md §5: a subject with an empty token matches nothing.
        if !self.split(subject, &mut space.steps) {
            return;
        }
        let WalkSpace { steps, open } = space;
        open.clear();
        open.push((ROOT, 0));
        while let Some((at, depth)) = open.pop() {
            let node = &self.nodes[at];
            let step = &steps[depth as usize];
            let is_last = depth as usize + 1 == steps.len();
            found.extend(node.tail.some());
            if is_last {
                found.extend(node.star_end.some());
            } else if let Some(star) = node.star.some() {
                open.push((star, depth + 1));
            }
            if node.children == 0 {
                continue;
            }
            let token = &subject[step.start as usize..step.end as usize];
            let Some(child) = self.find_child(at, step.hash, token) else { continue };
            if is_last {
                found.extend(self.nodes[child].here.some());
            } else {
                open.push((child, depth + 1));
            }
        }
    }

    /// Splits `subject` into hashed tokens; false if one of them is empty.
    fn split(&self, subject: &[u8], steps: &mut Vec<Step>) -> bool {
        steps.clear();
        let mut start = 0;
        for token in name::tokens(subject) {
            if token.is_empty() {
                return false;
            }
            let end = start + token.len();
            let hash = self.hasher.hash_one(token);
            steps.push(Step { hash, start: start as u32, end: end as u32 });
            start = end + 1;
        }
        true
    }

    fn star_child(&mut self, parent: Slot<Node>) -> Slot<Node> {
        if let Some(star) = self.nodes[parent].star.some() {
            return star;
        }
        let star = self.nodes.insert(Node::new(Token::Star, parent));
        self.nodes[parent].star = star;
        star
    }

    fn literal_child(&mut self, parent: Slot<Node>, token: &[u8]) -> Slot<Node> {
        let hash = self.hasher.hash_one(token);
        if let Some(child) = self.find_child(parent, hash, token) {
            return child;
        }
        let kept = if token.len() <= INLINE_MAX {
            let mut bytes = [0; INLINE_MAX];
            bytes[..token.len()].copy_from_slice(token);
            Token::Inline { len: token.len() as u8, bytes }
        } else {
            self.long_token_bytes += token.len();
            Token::Long(self.long_tokens.insert(LongToken::Used(token.into())))
        };
        let child = self.nodes.insert(Node::new(kept, parent));
        self.nodes[parent].children += 1;
        self.edges.insert(edge_hash(parent, hash), child);
        child
    }

    #[inline]
    fn find_child(&self, parent: Slot<Node>, hash: u64, token: &[u8]) -> Option<Slot<Node>> {
        self.edges.find(edge_hash(parent, hash), |child| {
            let node = &self.nodes[child];
            node.parent == parent && self.token(node) == token
        })
    }

    /// Removes a node that has nothing below it and ends no pattern; its parent.
    fn remove_leaf(&mut self, node: Slot<Node>) -> Slot<Node> {
        let parent = self.nodes[node].parent;
        if matches!(self.nodes[node].token, Token::Star) {
            self.nodes[parent].star = Slot::NIL;
        } else {
            let hash = self.hasher.hash_one(self.token(&self.nodes[node]));
            self.edges.remove(edge_hash(parent, hash), node);
            self.nodes[parent].children -= 1;
        }
        if let Token::Long(slot) = self.nodes.remove(node).token
            && let LongToken::Used(bytes) = self.long_tokens.remove(slot)
        {
            self.long_token_bytes -= bytes.len();
        }
        parent
    }

    #[inline]
    fn token<'a>(&'a self, node: &'a Node) -> &'a [u8] {
        match &node.token {
            Token::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Token::Long(slot) => match &self.long_tokens[*slot] {
                LongToken::Used(bytes) => bytes,
                LongToken::Vacant(_) => unreachable!("a node's long token is live"),
            },
            Token::Star => b"*",
            Token::Root | Token::Vacant => b"",
        }
    }
}

/// The key of an edge in 64 bits. The token's hash is keyed, so no outside party can aim.
#[inline]
fn edge_hash(parent: Slot<Node>, token_hash: u64) -> u64 {
    let mixed = token_hash ^ u64::from(parent.number()).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    let wide = u128::from(mixed) * 0xA076_1D64_78BD_642F;
    (wide >> 64) as u64 ^ wide as u64
}

impl Node {
    fn new(token: Token, parent: Slot<Node>) -> Self {
        let none = Slot::NIL;
        Node { token, parent, star: Slot::NIL, children: 0, here: none, star_end: none, tail: none }
    }

    /// Whether nothing ends here and nothing goes on.
    #[inline]
    fn is_bare(&self) -> bool {
        self.children == 0
            && self.star.is_nil()
            && self.here.is_nil()
            && self.star_end.is_nil()
            && self.tail.is_nil()
    }
}

impl Cell for Node {
    fn vacant(next: Slot<Self>) -> Self {
        Node::new(Token::Vacant, next)
    }

    fn next_vacant(&self) -> Option<Slot<Self>> {
        matches!(self.token, Token::Vacant).then_some(self.parent)
    }
}

impl Cell for LongToken {
    fn vacant(next: Slot<Self>) -> Self {
        LongToken::Vacant(next)
    }

    fn next_vacant(&self) -> Option<Slot<Self>> {
        match self {
            LongToken::Used(_) => None,
            LongToken::Vacant(next) => Some(*next),
        }
    }
}
